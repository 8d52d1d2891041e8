//! Points in time as users write them: `--since`, `--until`.

use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::base::{Nanos, SECOND, Timestamp};

/// A point in time that may depend on where the capture begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// RFC 3339.
    At(Timestamp),
    /// A time of the first frame's day.
    OfDay(Time),
    /// So long after the first frame.
    After(Nanos),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        if let Some(distance) = text.strip_prefix('+') {
            return distance_of(distance)
                .map(When::After)
                .ok_or_else(|| format!("{text:?} is no distance: write +30s, +1.5s, +5m or +2h"));
        }
        if let Ok(time) = text.parse::<jiff::Timestamp>() {
            return i64::try_from(time.as_nanosecond())
                .map(|nanos| When::At(Timestamp(nanos)))
                .map_err(|_| format!("{text} is beyond what captures can tell"));
        }
        let short = text.len() <= 8 && text.contains(':');
        match short.then(|| text.parse::<Time>()) {
            Some(Ok(time)) => Ok(When::OfDay(time)),
            _ => Err(format!(
                "{text:?} is no time: write 2026-11-23T14:03:12Z, 14:03, 14:03:12 or +30s"
            )),
        }
    }
}

fn distance_of(text: &str) -> Option<Nanos> {
    let at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at)?;
    let number: f64 = number
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n >= 0.0)?;
    let unit = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some((number * unit * SECOND as f64) as Nanos)
}

impl When {
    /// The point in time, for a capture that begins at `first`; `zone` is that of times of the day.
    pub fn resolve(self, first: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            When::At(time) => Some(time),
            When::After(distance) => Some(first.plus(distance)),
            When::OfDay(time) => {
                let begin = jiff::Timestamp::from_nanosecond(i128::from(first.0)).ok()?;
                let day = begin.to_zoned_datetime(zone.clone()).date();
                let moment = day.to_datetime(time).to_zoned_datetime(zone.clone()).ok()?;
                let nanos = moment.timestamp().as_nanosecond();
                i64::try_from(nanos).ok().map(Timestamp)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::When;
    use crate::base::Timestamp;

    #[test]
    fn times_are_read_in_every_form() {
        let first = Timestamp(1_795_442_592_345_678_901);
        let utc = jiff::tz::TimeZone::UTC;
        let at = |text: &str| {
            let when: When = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            when.resolve(first, &utc)
        };
        assert_eq!(at("+30s"), Some(Timestamp(1_795_442_622_345_678_901)));
        assert_eq!(at("+1.5m"), Some(Timestamp(1_795_442_682_345_678_901)));
        assert_eq!(at("14:04"), Some(Timestamp(1_795_442_640_000_000_000)));
        assert_eq!(at("14:03:30"), Some(Timestamp(1_795_442_610_000_000_000)));
        assert_eq!(
            at("2026-11-23T15:04:00+01:00"),
            Some(Timestamp(1_795_442_640_000_000_000))
        );
        for wrong in ["", "soon", "+", "+x", "14", "25:00", "+-1s"] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
    }
}
