//! The command `clarke`: text in, answers out; no mathematics.

mod bench;
mod bind;
mod check;
mod data;
mod dataset;
mod each;
mod explain;
mod methods;
mod minimize;
mod ops;
mod output;
mod page;
mod plot;
mod problems;
mod progress;
mod report;
mod rows;
mod sparse;
mod study;
mod train;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Differentiates and minimizes programs that are not smooth, and says what its derivatives mean
#[derive(Debug, Parser)]
#[command(name = "clarke", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::BenchArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Methods(methods::MethodsArgs),
    Minimize(minimize::MinimizeArgs),
    Ops(ops::OpsArgs),
    Report(page::overlay::OverlayArgs),
    Study(study::StudyArgs),
    Train(Box<train::TrainArgs>),
    Verify(verify::VerifyArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Check(args) => match check::run(&args) {
            Ok(false) => return ExitCode::from(1),
            other => other.map(|_| ()),
        },
        Command::Bench(args) => bench::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Methods(args) => methods::run(&args),
        Command::Minimize(args) => minimize::run(&args),
        Command::Ops(args) => ops::run(&args),
        Command::Report(args) => page::overlay::run(&args),
        Command::Study(args) => study::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Verify(args) => verify::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            exit.print();
            ExitCode::from(exit.code())
        }
    }
}
