//! Points in time and durations as people read them.

use jiff::tz::TimeZone;

use crate::base::{MILLISECOND, Nanos, SECOND, Timestamp};

/// In what times are told.
#[derive(Clone, Debug, Default)]
pub enum Zone {
    /// UTC, marked with `Z`.
    #[default]
    Utc,
    /// A time zone, marked with its offset.
    Local(TimeZone),
    /// Seconds since the first frame; absolute times stand beside them in UTC where a log has to be searched.
    Relative,
}

/// Tells times.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    zone: Zone,
    /// The first frame of the run.
    origin: Option<Timestamp>,
}

impl Clock {
    /// A clock that tells times in that zone.
    pub fn new(zone: Zone) -> Clock {
        Clock { zone, origin: None }
    }

    /// Fixes what relative times count from; only the first call counts.
    pub fn begin(&mut self, first: Timestamp) {
        self.origin.get_or_insert(first);
    }

    /// A point in time, always absolute: date, milliseconds and zone; with relative times, those beside it.
    pub fn absolute(&self, time: Timestamp) -> String {
        match &self.zone {
            Zone::Utc => utc(time),
            Zone::Local(zone) => formatted(time, zone, "%Y-%m-%d %H:%M:%S%.3f%:z"),
            Zone::Relative => match self.origin {
                Some(origin) => format!("{} (at {})", utc(time), duration(time.since(origin))),
                None => utc(time),
            },
        }
    }

    /// The time of the day: `14:03:12`; with relative times, how long after the first frame.
    pub fn time_of_day(&self, time: Timestamp) -> String {
        match (&self.zone, self.origin) {
            (Zone::Local(zone), _) => formatted(time, zone, "%H:%M:%S"),
            (Zone::Relative, Some(origin)) => format!("+{}", duration(time.since(origin))),
            _ => formatted(time, &TimeZone::UTC, "%H:%M:%S"),
        }
    }

    /// The time of the day, with the day where `now` is another: `14:03:12`, `2026-11-23 14:03`.
    pub fn since(&self, time: Timestamp, now: Timestamp) -> String {
        let relative = matches!((&self.zone, self.origin), (Zone::Relative, Some(_)));
        match relative || self.day(time) == self.day(now) {
            true => self.time_of_day(time),
            false => match &self.zone {
                Zone::Local(zone) => formatted(time, zone, "%Y-%m-%d %H:%M"),
                _ => formatted(time, &TimeZone::UTC, "%Y-%m-%d %H:%M"),
            },
        }
    }

    /// The day and the time of the day: `2026-11-23 14:03:12`; with relative times, how long after the first frame.
    pub fn dated(&self, time: Timestamp) -> String {
        match (&self.zone, self.origin) {
            (Zone::Relative, Some(_)) => self.time_of_day(time),
            _ => format!("{} {}", self.day(time), self.time_of_day(time)),
        }
    }

    /// The day, in the zone of this clock: `2026-11-23`.
    pub fn day(&self, time: Timestamp) -> String {
        match &self.zone {
            Zone::Local(zone) => formatted(time, zone, "%Y-%m-%d"),
            _ => formatted(time, &TimeZone::UTC, "%Y-%m-%d"),
        }
    }
}

fn utc(time: Timestamp) -> String {
    formatted(time, &TimeZone::UTC, "%Y-%m-%d %H:%M:%S%.3fZ")
}

fn formatted(time: Timestamp, zone: &TimeZone, pattern: &str) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(time.0)) {
        Ok(instant) => instant
            .to_zoned_datetime(zone.clone())
            .strftime(pattern)
            .to_string(),
        Err(_) => "an impossible time".to_owned(),
    }
}

/// A distance in time: `0.4 ms`, `87 ms`, `7.12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn duration(nanos: Nanos) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let milli = MILLISECOND.unsigned_abs();
    let second = SECOND.unsigned_abs();
    let seconds = nanos / second;
    let text = if nanos == 0 {
        "0 s".to_owned()
    } else if nanos < 10 * milli {
        format!("{:.1} ms", nanos as f64 / milli as f64)
    } else if nanos < second {
        format!("{} ms", nanos / milli)
    } else if seconds < 100 {
        format!("{:.2} s", nanos as f64 / second as f64)
    } else if seconds < 3600 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else if seconds < 2 * 86_400 {
        format!("{} h {} min", seconds / 3600, seconds % 3600 / 60)
    } else {
        format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600)
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::{Clock, Zone, duration};
    use crate::base::Timestamp;

    #[test]
    fn durations_have_the_precision_that_they_need() {
        for (nanos, text) in [
            (0, "0 s"),
            (400_000, "0.4 ms"),
            (87_000_000, "87 ms"),
            (7_120_000_000, "7.12 s"),
            (200_000_000_000, "3 min 20 s"),
            (7_500_000_000_000, "2 h 5 min"),
            (-1_500_000_000, "-1.50 s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
    }

    #[test]
    fn times_are_absolute_in_every_zone() {
        let time = Timestamp(1_795_442_592_345_678_901);
        assert_eq!(
            Clock::new(Zone::Utc).absolute(time),
            "2026-11-23 14:03:12.345Z"
        );
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(1));
        assert_eq!(
            Clock::new(Zone::Local(zone)).absolute(time),
            "2026-11-23 15:03:12.345+01:00"
        );
        let mut clock = Clock::new(Zone::Relative);
        clock.begin(Timestamp(1_795_442_590_345_678_901));
        assert_eq!(clock.absolute(time), "2026-11-23 14:03:12.345Z (at 2.00 s)");
    }
}
