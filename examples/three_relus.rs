//! The story in small: one function, three programs, three derivatives at 0; the selection as a value; directions.

use clarke::{Policy, Program};

fn main() -> clarke::Result<()> {
    let scalar: &[(&str, &[usize])] = &[("x", &[])];
    let derivative = |text: &str, policy: &Policy| -> clarke::Result<f64> {
        Ok(clarke::parse(text, scalar)?.at(&[0.0.into()])?.gradient(policy)?[0].item())
    };

    println!("derivative at 0, program by program:");
    println!("{:<38} {:>9} {:>9} {:>11} {:>9}", "", "pytorch", "jax", "tensorflow", "default");
    let programs = [
        ("relu(x)", [0.0, 0.0, 0.0, 0.0]),
        ("relu(-x) + x", [1.0, 1.0, 1.0, 1.0]),
        ("(relu(x) + relu(-x) + x)/2", [0.5, 0.5, 0.5, 0.5]),
        ("maximum(x, 0)", [0.5, 0.5, 1.0, 0.5]),
        ("(x + abs(x))/2", [0.5, 1.0, 0.5, 0.5]),
        ("relu(-x) + x - relu(x)", [1.0, 1.0, 1.0, 1.0]),
        ("x - (relu(-x) + x - relu(x))", [0.0, 0.0, 0.0, 0.0]),
    ];
    let policies = [Policy::pytorch(), Policy::jax(), Policy::tensorflow(), Policy::default()];
    for (text, expected) in programs {
        let mut row = vec![];
        for policy in &policies {
            row.push(derivative(text, policy)?);
        }
        println!("{text:<38} {:>9} {:>9} {:>11} {:>9}", row[0], row[1], row[2], row[3]);
        assert_eq!(row, expected, "{text}");
    }

    // The first five are max(x, 0), the sixth is the constant 0, the last the identity, whose only derivative is 1.
    // Directions decide the ties together, and find it.
    for direction in [-1.0, 1.0] {
        let along = Policy::Along(vec![vec![direction.into()]]);
        assert_eq!(derivative("relu(-x) + x - relu(x)", &along)?, 0.0);
        assert_eq!(derivative("x - (relu(-x) + x - relu(x))", &along)?, 1.0);
    }
    println!("\nwith the ties decided by a direction: 0 and 1 for the last two, their true derivatives");

    // The derivative is a program, with its selections among the inputs.
    let zero = clarke::parse("relu(-x) + x - relu(x)", scalar)?;
    println!("\nthe gradient of the sixth, as a program:\n\n{}", zero.gradient()?);
    let selections = zero.gradient()?.inputs().iter().filter(|i| i.role.is_selection()).count();
    assert_eq!(selections, 2);

    // Where no derivative exists, that is said, and where.
    let error = clarke::parse("relu(sqrt(x))", scalar)?.at(&[0.0.into()])?.gradient(&Policy::default()).unwrap_err();
    println!("relu(sqrt(x)) at 0: {error}");
    assert!(error.to_string().starts_with("sqrt is not Lipschitz here"));
    let traced = Program::trace(&[&[]], |v| v[0].abs().sqrt())?;
    let error = traced.at(&[0.0.into()])?.gradient(&Policy::default()).unwrap_err();
    assert!(error.to_string().contains("three_relus.rs"), "{error}");
    Ok(())
}
