//! `clarke verify`: a certificate of `clarke explain` or `clarke minimize` against an expression.

use crate::bind::{Bindings, parse};
use crate::report::{Exit, put};
use clap::Args;
use clarke::{Certificate, Checked, Tensor};
use std::path::PathBuf;

/// Check a certificate that `clarke explain` or `clarke minimize` wrote; exit code 0 if all of it holds, else 1
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The certificate
    #[arg(value_name = "FILE.json")]
    pub file: PathBuf,
    /// The expression that it is of; the point is in the certificate
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub expression: String,
    /// The sparse matrices of the expression: A=@file.mtx, A=@file.npz
    #[arg(long, value_name = "NAME=VALUE")]
    pub at: Vec<String>,
    /// The certificate is of the simplified program
    #[arg(long)]
    pub simplify: bool,
}

/// Reads, checks and says what was found.
pub fn run(args: &VerifyArgs) -> Result<(), Exit> {
    let shown = args.file.display();
    let unreadable = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => Exit::input(format!("no such file: {shown}")),
        _ => Exit::input(format!("cannot read {shown}: {e}")),
    };
    let text = std::fs::read_to_string(&args.file).map_err(unreadable)?;
    let certificate: Certificate = serde_json::from_str(&text).map_err(|e| {
        Exit::input(format!("{shown} is no certificate: {e}")).hint("`clarke explain … --certificate` writes one")
    })?;
    let mut given = Bindings::read(&args.at, "--at")?;
    for (name, shape, data) in &certificate.point {
        given.add(name.clone(), Tensor::new(shape, data.clone())?)?;
    }
    let mut program = parse(&args.expression, &given, &[], "--at")?;
    if args.simplify {
        program = program.simplify();
    }
    match certificate.check(&program)? {
        Checked::Verified => put(&format!("verified: {}\n", certificate.verdict)),
        Checked::Refuted(why) => Err(Exit::failed(format!("refuted: {why}"))),
        Checked::Unverified(why) => Err(Exit::failed(format!("not verified: {why}"))),
    }
}
