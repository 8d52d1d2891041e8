//! `mxray probe TARGET…`: measure actively, then report like a replay.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::aside;
use super::exit::{self, Verdicts};
use super::options::Reporting;
use super::output;
use crate::base::Foreign;
use crate::engine::record::{PathRecord, Record};
use crate::engine::{Config, Engine};
use crate::privilege::{Folder, Successor};
use crate::probe::target::setting_of_port;
use crate::probe::{Context, Progress, TapError, Target};
use crate::proto::Service;
use crate::report::{self, Face, Selection};

mod arguments;
mod login;
mod rounds;
mod view;

pub use arguments::Arguments;
use arguments::{options, targets};

/// Targets that are measured side by side; a longer list is measured in groups, so that memory does not grow with it. With more
/// the kernel's ring overflows on a busy machine, and what is lost there takes longer to tell from loss than a group takes.
const SIDE_BY_SIDE: usize = 40;

/// Runs the command and gives back the exit code.
pub fn run(arguments: &Arguments) -> u8 {
    let refused = |why: String| {
        aside::say(&why);
        exit::USAGE
    };
    let prepared = (|| {
        let targets = targets(arguments)?;
        let options = options(arguments)?;
        Ok::<_, String>((config(arguments, &targets)?, targets, options))
    })();
    let (config, targets, options) = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return refused(why),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refused(format!("no asynchronous runtime: {error}")),
    };
    // The order is that of `privilege`: handles and files are opened, privileges are given up, and only then is anything sent or read.
    let successor = Successor::if_possible();
    let files = match Files::open(arguments, successor) {
        Ok(files) => files,
        Err(why) => return refused(why),
    };
    if arguments.tui || arguments.screen.plain {
        return view::run(arguments, &targets, options, config, files, successor);
    }
    let quiet = arguments.reporting.quiet || !io::stderr().is_terminal();
    let (stop, stopped) = watch::channel(false);
    let (context, failed) = Context::open(options, stopped.clone(), progress(quiet));
    if let Err(error) = login::give_up(arguments, successor) {
        aside::say(&error);
        return exit::NOT_PERMITTED;
    }
    match failed {
        None => {}
        Some(TapError::NotPermitted) => aside::say(
            &"capturing is not permitted: answers are known only as the kernel tells them; \
              `sudo setcap cap_net_raw,cap_net_admin=ep $(command -v mxray)` grants it",
        ),
        Some(TapError::Other(why)) => aside::say(&format_args!("nothing can be captured: {why}")),
    }
    if arguments.intensive {
        let text = crate::probe::stage::announced(arguments.rate);
        aside::say(&text);
    }
    crate::probe::stage::local::said_of_router(&context, &arguments.targets.join(" "));
    let probing = Probing {
        told: context.cautions(),
        arguments,
        targets,
        context,
        files,
        config,
        quiet,
    };
    runtime.block_on(async {
        listen_for_signals(stop);
        probing.context.listen();
        match arguments.every {
            Some(every) => probing.again_and_again(every).await,
            None => probing.once().await,
        }
    })
}

/// The first Ctrl-C, SIGTERM or SIGHUP ends the measuring, so that what was found is still printed; the second ends the program.
fn listen_for_signals(stop: watch::Sender<bool>) {
    let stop = std::sync::Arc::new(stop);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let stop = stop.clone();
        let Ok(mut signal) = signal(kind) else {
            continue;
        };
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                if stop.send_replace(true) {
                    std::process::exit(i32::from(exit::INTERRUPTED));
                }
            }
        });
    }
}

fn config(arguments: &Arguments, targets: &[Target]) -> Result<Config, String> {
    let mut config = arguments.reporting.config()?;
    for (port, service) in spoken(targets) {
        config.ports.assign(port, service);
    }
    Ok(config)
}

/// What is spoken on the ports that were named: who names a port without a scheme means mail transfer, unless the port says otherwise.
fn spoken(targets: &[Target]) -> impl Iterator<Item = (u16, Service)> {
    targets.iter().filter_map(|target| match target {
        Target::Settings { setting, .. } => Some((setting.port, setting.service)),
        Target::Port { port, .. } => {
            let known = setting_of_port(*port).map(|setting| setting.service);
            Some((*port, known.unwrap_or(Service::Smtp)))
        }
        _ => None,
    })
}

/// What is written to: opened before privileges are given up.
struct Files {
    packets: Option<BufWriter<File>>,
    report: Box<dyn Write>,
    metrics: Option<(Folder, String)>,
}

impl Files {
    fn open(arguments: &Arguments, successor: Option<Successor>) -> Result<Files, String> {
        let create = |path: &Path| -> io::Result<BufWriter<File>> {
            let file = File::create(path)?;
            if let Some(successor) = successor
                && file.metadata()?.is_file()
            {
                successor.owns(&file)?;
            }
            Ok(BufWriter::new(file))
        };
        let named = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let packets = match &arguments.write {
            Some(path) => Some(create(path).map_err(|error| named(path, error))?),
            None => None,
        };
        let report: Box<dyn Write> = match &arguments.reporting.output {
            Some(path) if !output::is_standard(path) => {
                Box::new(create(path).map_err(|error| named(path, error))?)
            }
            _ => output::open(None).map_err(|error| error.to_string())?,
        };
        let metrics = match &arguments.metrics {
            Some(path) => {
                let name = path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                let name =
                    name.ok_or_else(|| format!("--metrics: {} is no file", path.display()))?;
                let folder = path.parent().unwrap_or(Path::new("."));
                let folder =
                    Folder::open(folder, successor).map_err(|why| format!("--metrics {why}"))?;
                Some((folder, name))
            }
            None => None,
        };
        Ok(Files {
            packets,
            report,
            metrics,
        })
    }

    /// A section of packets more.
    fn keep(&mut self, recording: &mut crate::probe::Recording) -> io::Result<()> {
        if let Some(packets) = &mut self.packets {
            recording.write(&mut *packets)?.flush()?;
        }
        Ok(())
    }
}

/// A run.
struct Probing<'a> {
    arguments: &'a Arguments,
    /// Cautions that were said before the first packet.
    told: Vec<String>,
    targets: Vec<Target>,
    context: Context,
    files: Files,
    config: Config,
    quiet: bool,
}

impl Probing<'_> {
    /// One round, as a report.
    async fn once(mut self) -> u8 {
        let mut engine = Engine::new(self.config.clone());
        let (mut reporter, mut unwritten) = (None, false);
        let groups: Vec<Vec<Target>> = self
            .targets
            .chunks(SIDE_BY_SIDE)
            .map(<[Target]>::to_vec)
            .collect();
        for targets in groups {
            crate::probe::run(&self.context, &targets).await;
            let (mut recording, paths) = self.taken();
            if let Err(error) = self.files.keep(&mut recording) {
                aside::say(&format_args!(
                    "the packets cannot be written: {error}; the report is, and no more packets are"
                ));
                // What is buffered cannot be written either.
                self.files.packets = None;
                unwritten = true;
            }
            let reporter = reporter.get_or_insert_with(|| {
                let report = std::mem::replace(&mut self.files.report, Box::new(io::sink()));
                Reporter::new(&self.arguments.reporting, report)
            });
            self.judge(&mut engine, reporter, &mut recording, paths);
            self.context.forget();
            if self.context.is_interrupted() {
                break;
            }
        }
        self.context.no_more_logins();
        let Some(mut reporter) = reporter else {
            return exit::USAGE;
        };
        engine.finish(&mut |record| reporter.record(&record));
        let code = match reporter.finish() {
            Ok(verdicts) => verdicts.code_of_probe(&self.context.left_unmeasured()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit::FINE,
            Err(error) => {
                aside::say(&format_args!("the report cannot be written: {error}"));
                exit::USAGE
            }
        };
        match (self.context.is_interrupted(), unwritten) {
            (true, _) => exit::INTERRUPTED,
            (false, true) => exit::USAGE,
            (false, false) => code,
        }
    }

    /// What was gathered since the last time, ready to be judged.
    fn taken(&self) -> (crate::probe::Recording, Vec<PathRecord>) {
        if !self.quiet {
            aside::write(&"\r\x1b[K");
        }
        let (mut recording, paths, _) = self.context.take();
        recording.end(self.context.now());
        for (port, service) in spoken(&self.targets) {
            recording.serves(port, service);
        }
        (recording, paths)
    }

    /// Feeds a recording to the engine as a source of its own.
    fn judge(
        &self,
        engine: &mut Engine,
        reporter: &mut Reporter,
        recording: &mut crate::probe::Recording,
        paths: Vec<PathRecord>,
    ) {
        let name = match &self.arguments.write {
            Some(path) => Foreign::from(path.to_string_lossy().as_ref()),
            None => Foreign::from("probe"),
        };
        let source = engine.open_source("probe", name.clone(), None);
        reporter.face.source(source.0, &name);
        if let Some(first) = recording.frames().first() {
            reporter.face.begin(first.time);
        }
        recording.feed(engine, source, &mut |record| reporter.record(&record));
        for path in paths {
            reporter.record(&Record::Path(path));
        }
    }

    fn left_unknown(&self) {
        for text in self.context.cautions() {
            if !self.told.contains(&text) {
                aside::say(&text);
            }
        }
        for one in self.context.take().2 {
            aside::say(&one.says());
        }
    }
}

/// One line on a terminal that says what is being done.
fn progress(quiet: bool) -> Progress {
    if quiet {
        return Box::new(|_, _| {});
    }
    Box::new(|stage, text| {
        let text: String = text.chars().take(70).collect();
        aside::write(&format_args!("\r\x1b[K{:<6}{text}", stage.name()));
    })
}

/// Hands records to the face.
struct Reporter {
    face: Box<dyn Face>,
    selection: Selection,
    verdicts: Verdicts,
    failed: Option<io::Error>,
}

impl Reporter {
    fn new(reporting: &Reporting, out: Box<dyn Write>) -> Reporter {
        Reporter {
            face: report::face(reporting.style("probe", false), out),
            selection: Selection::new(reporting.criteria()),
            verdicts: Verdicts::new(reporting.strictness()),
            failed: None,
        }
    }

    fn record(&mut self, record: &Record) {
        self.verdicts.see(record);
        if self.selection.wants(record, true)
            && self.failed.is_none()
            && let Err(error) = self.face.record(record)
        {
            self.failed = Some(error);
        }
    }

    fn finish(mut self) -> io::Result<Verdicts> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.face.finish()?;
        Ok(self.verdicts)
    }
}
