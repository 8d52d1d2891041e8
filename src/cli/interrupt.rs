//! Ctrl-C: the first stops the reading, so that what was found is still printed; the second ends the program. SIGTERM and
//! SIGHUP count as Ctrl-C: a service manager or a closed terminal gets the report as well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for a signal; for ever, where it cannot be heard.
async fn heard(signal: &mut Option<Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await.is_some(),
        None => false,
    };
    if !came {
        std::future::pending::<()>().await;
    }
}

/// Whether somebody pressed Ctrl-C.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on. Where that is not possible Ctrl-C ends the program at once.
    pub fn listen() -> Interrupt {
        let interrupt = Interrupt::default();
        let flag = interrupt.0.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        if let Ok(runtime) = runtime {
            // Before anything else happens: a signal must not find the default, which ends the program.
            let (mut pressed, mut ended, mut hung_up) = runtime.block_on(async {
                let hear = |kind| signal(kind).ok();
                (
                    hear(SignalKind::interrupt()),
                    hear(SignalKind::terminate()),
                    hear(SignalKind::hangup()),
                )
            });
            std::thread::spawn(move || {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            () = heard(&mut pressed) => {}
                            () = heard(&mut ended) => {}
                            () = heard(&mut hung_up) => {}
                        }
                        if flag.swap(true, Ordering::Relaxed) {
                            std::process::exit(i32::from(super::exit::INTERRUPTED));
                        }
                    }
                });
            });
        }
        interrupt
    }

    /// Set when it was pressed.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.0
    }

    /// Whether it was pressed.
    pub fn pressed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
