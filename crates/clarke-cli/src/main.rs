//! The command `clarke`: text in, answers out; no mathematics.

#![expect(dead_code, reason = "the modules explain and minimize are not commands yet")]

mod bind;
mod data;
mod explain;
mod minimize;
mod ops;
mod output;
mod progress;
mod report;
mod show;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Differentiates and minimizes programs that are not smooth, and says what its derivatives mean
#[derive(Debug, Parser)]
#[command(name = "clarke", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ops(ops::OpsArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Ops(args) => ops::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => {
            exit.print();
            ExitCode::from(exit.code())
        }
    }
}
