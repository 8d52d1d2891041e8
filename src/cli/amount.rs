//! Spans of time and amounts of memory as users write them: `10m`, `60s`, `100M`.

use std::str::FromStr;
use std::time::Duration;

/// A span of time: `90s`, `10m`, `8h`, `1d`; a bare number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || format!("{text:?} is no span of time: write 60s, 10m, 8h or 1d");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let unit = match unit {
            "" | "s" => 1.0,
            "ms" => 1e-3,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(wrong()),
        };
        match Duration::try_from_secs_f64(number * unit) {
            Ok(span) if !span.is_zero() => Ok(Span(span)),
            _ => Err(wrong()),
        }
    }
}

/// An amount of bytes: `64M`, `1G`, `500k`; units of 1,024; a bare number is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// Bytes that an open connection takes at the most, its dialogue and what is remembered after it included, on average.
const FLOW: u64 = 16 << 10;

impl Size {
    /// How many open connections so much memory holds; some always fit.
    pub fn connections(self) -> usize {
        usize::try_from(self.0 / FLOW)
            .unwrap_or(usize::MAX)
            .max(1_024)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let wrong = || format!("{text:?} is no amount: write 500k, 64M or 1G");
        let (number, unit) = split(text).ok_or_else(wrong)?;
        let shift = match unit.trim_end_matches(['b', 'B']).trim_end_matches('i') {
            "" => 0,
            "k" | "K" => 10,
            "m" | "M" => 20,
            "g" | "G" => 30,
            "t" | "T" => 40,
            _ => return Err(wrong()),
        };
        let bytes = number
            * f64::from(1u32 << (shift % 30))
            * if shift >= 30 {
                (1u64 << 30) as f64
            } else {
                1.0
            };
        match bytes {
            1.0..=1e15 => Ok(Size(bytes as u64)),
            _ => Err(wrong()),
        }
    }
}

fn split(text: &str) -> Option<(f64, &str)> {
    let at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at)?;
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some((number, unit))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Size, Span};

    #[test]
    fn spans_and_amounts_are_read() {
        let span = |text: &str| text.parse::<Span>().map(|span| span.0);
        assert_eq!(span("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(span("90"), Ok(Duration::from_secs(90)));
        assert_eq!(span("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(span("1.5h"), Ok(Duration::from_secs(5_400)));
        let size = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(size("64M"), Ok(64 << 20));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("2T"), Ok(2 << 40));
        assert_eq!(size("500k"), Ok(500 << 10));
        assert_eq!(size("7"), Ok(7));
        for wrong in ["", "x", "-1s", "0s", "5 parsecs"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "M", "-1M", "0", "1X"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
