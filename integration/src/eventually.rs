//! Waiting for something to become true, with a limit.

use anyhow::{Result, anyhow};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often to look.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` returns a value. An error of `look` is an observation: the
/// thing is not there yet, and this is what was seen instead.
///
/// # Errors
/// `what` was not seen within `deadline`; carries the last observation.
pub fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match look() {
            Ok(seen) => return Ok(seen),
            Err(last) if start.elapsed() >= deadline => {
                return Err(anyhow!(
                    "{what}: not within {deadline:?}; last seen: {last:#}"
                ));
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn the_last_observation_is_told() {
        let mut looks = 0;
        let error = eventually("seven", Duration::ZERO, || -> Result<()> {
            looks += 1;
            bail!("only {looks}")
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "seven: not within 0ns; last seen: only 1"
        );
    }

    #[test]
    fn it_ends_with_the_first_success() {
        let mut looks = 0;
        let seen = eventually("three", Duration::from_secs(10), || {
            looks += 1;
            if looks == 3 {
                Ok(looks)
            } else {
                bail!("only {looks}")
            }
        });
        assert_eq!(seen.unwrap(), 3);
    }
}
