//! Audits of gradients that another library computes: right ones pass, planted faults are found.

use clarke::check::{AuditOptions, AuditReport, Finding, Grade, audit};

fn run(
    value: impl Fn(&[f64]) -> f64,
    gradient: impl Fn(&[f64]) -> Vec<f64>,
    point: &[f64],
    options: &AuditOptions,
) -> AuditReport {
    let mut value = |x: &[f64]| Some(value(x));
    let mut gradient = |x: &[f64]| Some(gradient(x));
    audit(&mut value, &mut gradient, point, options).unwrap()
}

fn found(report: &AuditReport) -> Vec<&'static str> {
    let kind = |f: &Finding| match f {
        Finding::Chain { inside: true, .. } => "chain inside",
        Finding::Chain { .. } => "chain",
        Finding::Slope { .. } => "slope",
        Finding::Jump { .. } => "jump",
        Finding::Unbounded { .. } => "unbounded",
        Finding::Outside { .. } => "outside",
        Finding::Nothing { .. } => "nothing",
    };
    report.findings.iter().map(kind).collect()
}

fn step(x: f64, at: f64) -> f64 {
    if x == 0.0 { at } else { f64::from(x > 0.0) }
}

fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}

/// Right gradients: of compositions of relu, abs, max and norms, on ties and off them.
#[test]
fn what_is_right_passes() {
    type Case = (&'static str, fn(&[f64]) -> f64, fn(&[f64]) -> Vec<f64>, Vec<Vec<f64>>);
    let cases: Vec<Case> = vec![
        ("relu", |x| x[0].max(0.0), |x| vec![step(x[0], 0.0)], vec![vec![0.0], vec![0.5], vec![-2.0], vec![1e-9]]),
        ("abs", |x| x[0].abs(), |x| vec![sign(x[0])], vec![vec![0.0], vec![0.25]]),
        (
            "norm1 of 8",
            |x| x.iter().map(|x| x.abs()).sum(),
            |x| x.iter().map(|x| sign(*x)).collect(),
            vec![vec![0.0; 8], vec![1.0, 0.0, 2.0, 0.0, -1.0, 0.0, 0.5, 0.0]],
        ),
        (
            "norm1 of 12 by another convention",
            |x| x.iter().map(|x| x.abs()).sum(),
            |x| x.iter().map(|x| if *x >= 0.0 { 1.0 } else { -1.0 }).collect(),
            vec![vec![0.0; 12]],
        ),
        (
            "max, to the first",
            |x| x.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x)),
            |x| {
                let top = x.iter().fold(f64::NEG_INFINITY, |m: f64, x| m.max(*x));
                let first = x.iter().position(|x| *x == top).unwrap();
                (0..x.len()).map(|k| f64::from(k == first)).collect()
            },
            vec![vec![0.0; 5], vec![1.0, 1.0, 0.0], vec![0.3, 0.1, 0.3, 0.3]],
        ),
        (
            "norm2",
            |x| x.iter().map(|x| x * x).sum::<f64>().sqrt(),
            |x| {
                let n = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                x.iter().map(|x| if n == 0.0 { 0.0 } else { x / n }).collect()
            },
            vec![vec![0.0; 3], vec![3.0, 4.0], vec![0.0, 1.0]],
        ),
        (
            "concave: the least of two, less a square",
            |x| x[0].min(2.0 * x[1]) - x[0] * x[0],
            |x| {
                let first = x[0] <= 2.0 * x[1];
                vec![f64::from(first) - 2.0 * x[0], 2.0 * f64::from(!first)]
            },
            vec![vec![0.0, 0.0], vec![1.0, 0.5]],
        ),
        (
            "a tie that is no coordinate's: |3 x − 2 y − 1| relu(z)",
            |x| (3.0 * x[0] - 2.0 * x[1] - 1.0).abs() + x[2].max(0.0) * x[0].sin(),
            |x| {
                let s = sign(3.0 * x[0] - 2.0 * x[1] - 1.0);
                vec![3.0 * s + x[2].max(0.0) * x[0].cos(), -2.0 * s, step(x[2], 0.0) * x[0].sin()]
            },
            vec![vec![1.0, 1.0, 0.0], vec![0.0, -0.5, 0.5], vec![0.1, 0.2, 0.3]],
        ),
        ("steep and smooth", |x| (1e3 * x[0]).tanh(), |x| vec![1e3 / (1e3 * x[0]).cosh().powi(2)], vec![vec![0.0]]),
        ("large", |x| 1e8 + x[0].abs(), |x| vec![sign(x[0])], vec![vec![0.0], vec![0.5]]),
    ];
    for (name, value, gradient, points) in &cases {
        for point in points {
            for seed in 0..4 {
                let report = run(value, gradient, point, &AuditOptions { seed, ..AuditOptions::default() });
                assert!(report.passes(), "{name} at {point:?}, seed {seed}:\n{report}");
                assert!(report.curves.curves > 20 && report.slopes.compared > 5, "{name}:\n{report}");
            }
        }
    }
}

/// relu(−x) + x − relu(x) with relu′(0) = 0: conservative, and an artifact at 0.
#[test]
fn an_artifact_is_no_contradiction() {
    let report = run(|_| 0.0, |x| vec![f64::from(x[0] == 0.0)], &[0.0], &AuditOptions::default());
    assert_eq!(found(&report), ["outside"], "{report}");
    assert!(report.is_artifact() && !report.findings[0].contradicts());
    let Finding::Outside { gap, grade, .. } = &report.findings[0] else { unreachable!() };
    assert!((gap - 1.0).abs() < 1e-9 && *grade == Grade::Clear);
    // In four numbers, and with something smooth around it, the same can only be likely.
    let value = |x: &[f64]| x.iter().map(|x| x.cos()).sum::<f64>();
    let gradient = |x: &[f64]| x.iter().map(|x| -x.sin() + f64::from(*x == 0.0)).collect();
    let report = run(value, gradient, &[0.0, 0.5, 1.0, 0.0], &AuditOptions::default());
    assert_eq!(found(&report), ["outside"], "{report}");
    assert_eq!(report.findings[0].grade(), Grade::Likely);
}

#[test]
fn a_wrong_sign_is_found_by_differences_and_by_curves() {
    let report =
        run(|x| x[0].abs() + x[1] * x[1], |x| vec![sign(x[0]), -2.0 * x[1]], &[0.0, 1.0], &AuditOptions::default());
    let kinds = found(&report);
    assert!(kinds.contains(&"slope") && kinds.contains(&"chain"), "{report}");
    let slope = report.findings.iter().find(|f| matches!(f, Finding::Slope { .. })).unwrap();
    assert!(slope.margin() > 1e3);
}

/// Wrong on ties alone, where no random point sees it.
#[test]
fn what_is_wrong_inside_of_ties_only_is_found() {
    // The whole gradient for each tied entry: found on the diagonal, whether or not the point is on it.
    let value = |x: &[f64]| x.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
    let gradient = |x: &[f64]| {
        let top = x.iter().fold(f64::NEG_INFINITY, |m: f64, x| m.max(*x));
        x.iter().map(|x| f64::from(*x == top)).collect()
    };
    for point in [vec![1.0, 1.0], vec![0.5, 0.25], vec![0.0, 0.0, 0.0, -1.0], vec![0.125; 6]] {
        let report = run(value, gradient, &point, &AuditOptions::default());
        assert!(found(&report).contains(&"chain inside"), "at {point:?}: {report}");
    }
    // On the face x₀ = 0 the slope along it is wrong.
    let value = |x: &[f64]| x[0].abs() + x[1];
    let gradient = |x: &[f64]| vec![sign(x[0]), if x[0] == 0.0 { 0.0 } else { 1.0 }];
    for point in [[0.0, 0.3], [0.4, -0.1]] {
        let report = run(value, gradient, &point, &AuditOptions::default());
        assert_eq!(found(&report)[0], "chain inside", "at {point:?}: {report}");
    }
    // On a tie that no guess knows: the direction (2, 3) is read off the jump of the gradients.
    let tie = |x: &[f64]| 3.0 * x[0] - 2.0 * x[1];
    let value = |x: &[f64]| tie(x).max(0.0) + x[0];
    let gradient = |x: &[f64]| {
        let s = step(tie(x), 0.5);
        vec![3.0 * s + 1.0, if tie(x) == 0.0 { 1.0 } else { -2.0 * s }]
    };
    let report = run(value, gradient, &[1.0, 1.5], &AuditOptions::default());
    assert_eq!(report.nearby.inside, Some(1));
    let Some(Finding::Chain { from, to, inside: true, .. }) = report.findings.first() else { panic!("{report}") };
    assert_eq!(tie(from), 0.0);
    assert_eq!(tie(to), 0.0);
}

/// Across a face any vector is conservative: 17 at 0 is an artifact, 1/3 is not.
#[test]
fn across_a_face_the_hull_decides() {
    let at = |c: f64| {
        run(|x| x[0].max(0.0) + x[1], move |x| vec![step(x[0], c), 1.0], &[0.0, 2.0], &AuditOptions::default())
    };
    assert_eq!(found(&at(17.0)), ["outside"]);
    assert_eq!(found(&at(1.0 / 3.0)), [""; 0]);
}

#[test]
fn what_is_not_lipschitz_or_jumps_or_is_missing_is_said() {
    let root =
        run(|x| x[0].abs().sqrt(), |x| vec![0.5 * sign(x[0]) / x[0].abs().sqrt()], &[0.0], &AuditOptions::default());
    assert!(found(&root).contains(&"unbounded"), "{root}");
    let jump = run(|x| f64::from(x[0] > 0.1), |_| vec![0.0], &[0.0], &AuditOptions::default());
    assert_eq!(found(&jump), ["jump"], "{jump}");
    let mut value = |x: &[f64]| (x[0] > 0.0).then(|| x[0].ln());
    let mut gradient = |x: &[f64]| (x[0] > 0.0).then(|| vec![1.0 / x[0]]);
    let report = audit(&mut value, &mut gradient, &[0.25], &AuditOptions::default()).unwrap();
    assert!(report.passes() && report.missing > 0, "{report}");
    let report = audit(&mut value, &mut gradient, &[0.0], &AuditOptions::default()).unwrap();
    assert_eq!(found(&report)[0], "nothing");
}

/// Values that are rounded to f32, or noisy, are not taken for contradictions; a wrong sign among them is.
#[test]
fn noise_is_no_contradiction() {
    let value = |x: &[f64]| f64::from((x[0] as f32 * 3.0 + 1.0).max(0.0) + (x[1] as f32).abs());
    let right = |x: &[f64]| {
        vec![f64::from(3.0 * step(f64::from(x[0] as f32 * 3.0 + 1.0), 0.0) as f32), sign(f64::from(x[1] as f32))]
    };
    let wrong = |x: &[f64]| right(x).iter().map(|g| -g).collect();
    for point in [[0.0, 0.0], [0.7, -0.2], [100.0, 30.0]] {
        let report = run(value, right, &point, &AuditOptions::single());
        assert!(report.passes(), "{report}");
        assert!(!run(value, wrong, &point, &AuditOptions::single()).passes());
    }
    // A value that is wrong by up to 10⁻⁷ in a way that no smooth function is.
    let noisy = |x: &[f64]| {
        x[0].abs() + 1e-7 * (x[0].to_bits().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f64 / 2f64.powi(24)
    };
    let report = run(noisy, |x| vec![sign(x[0])], &[0.3], &AuditOptions::default());
    assert!(report.passes(), "{report}");
    assert!(report.noise > 1e-8, "{report:?}");
    assert!(!run(noisy, |x| vec![-sign(x[0])], &[0.3], &AuditOptions::default()).passes());
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let once = || {
        run(
            |x| x[0].max(x[1]),
            |x| vec![f64::from(x[0] > x[1]), f64::from(x[1] > x[0])],
            &[0.0, 0.0],
            &AuditOptions::default(),
        )
    };
    let report = once();
    assert_eq!(report, once());
    assert!(report.to_string().len() < 2000);
}

#[test]
fn settings_out_of_range_are_errors() {
    let with = |point: &[f64], options: AuditOptions| {
        audit(&mut |_| Some(0.0), &mut |x| Some(vec![0.0; x.len()]), point, &options).unwrap_err().to_string()
    };
    let default = AuditOptions::default;
    assert!(with(&[], default()).contains("point"));
    assert!(with(&[f64::NAN], default()).contains("point"));
    assert!(with(&[0.0], AuditOptions { radius: 0.0, ..default() }).contains("radius"));
    assert!(with(&[1e12], default()).contains("radius"));
    assert!(with(&[0.0], AuditOptions { tolerance: 2.0, ..default() }).contains("tolerance"));
    assert!(with(&[0.0], AuditOptions { precision: 0.0, ..default() }).contains("precision"));
    assert!(with(&[0.0], AuditOptions { samples: 1, ..default() }).contains("samples"));
}
