//! Both sets of random small programs against brute force: all extreme selections, and gradients nearby.

mod common;

use clarke::set::Polytope;
use clarke::{Containment, Known, Policy, Program, SetAt, SetOptions, Tensor, Verdict, parse};
use common::{Draw, dot, numbers};
use std::collections::HashMap;

/// A random expression of piecewise linear operators over x, y, z.
fn linear(draw: &mut Draw, depth: usize) -> String {
    if depth == 0 {
        return match draw.below(5) {
            0 => "x".into(),
            1 => "y".into(),
            2 => "z".into(),
            3 => format!("{}", draw.below(3)),
            _ => format!("({}*x - {}*y + z)", draw.below(3), draw.below(3)),
        };
    }
    let mut a = || linear(draw, depth - 1);
    let (a, b) = (a(), a());
    match draw.below(11) {
        0 | 1 => format!("relu({a})"),
        2 => format!("abs({a})"),
        3 => format!("maximum({a}, {b})"),
        4 => format!("minimum({a}, {b})"),
        5 => format!("({a} + {b})"),
        6 => format!("({a} - {b})"),
        7 => format!("(2*{a} - {b})"),
        8 => format!("clip({a}, -1, 1)"),
        9 => format!("max(stack([{a}, {b}, x]))"),
        _ => format!("leaky_relu({a}, slope=-0.5)"),
    }
}

/// The same with products, exponentials and squares among them.
fn smooth(draw: &mut Draw, depth: usize) -> String {
    if depth == 0 {
        return linear(draw, 0);
    }
    let (a, b) = (smooth(draw, depth - 1), smooth(draw, depth - 1));
    match draw.below(8) {
        0 => format!("({a} * {b})"),
        1 => format!("sin({a})"),
        2 => format!("({a})**2"),
        3 => format!("tanh({a} + {b})"),
        _ => {
            let inner = linear(draw, 1);
            format!("(relu({a}) + {inner})")
        }
    }
}

const INPUTS: &[(&str, &[usize])] = &[("x", &[]), ("y", &[]), ("z", &[])];

/// A program at a point of integers where some tie is met, of at most `most` ties, all of them steps if wished.
fn tied(
    draw: &mut Draw,
    text: fn(&mut Draw, usize) -> String,
    most: usize,
    steps: bool,
) -> (String, Program, Vec<Tensor>) {
    loop {
        let depth = 2 + draw.below(3);
        let text = text(draw, depth);
        let Ok(f) = parse(&text, INPUTS) else { continue };
        let point: Vec<Tensor> = (0..3).map(|_| Tensor::scalar(draw.below(3) as f64 - 1.0)).collect();
        let Ok(at) = f.at(&point) else { continue };
        let ties = at.ties(0.0).unwrap();
        let all_steps = ties.iter().all(|t| t.site.tie.name() == "step");
        if !ties.is_empty() && ties.len() <= most && (all_steps || !steps) {
            return (text, f, point);
        }
    }
}

fn vertices(set: &SetAt) -> Vec<Vec<f64>> {
    set.vertices().expect("few enough to be written out").iter().map(|v| numbers(v)).collect()
}

/// Whether every point of `a` is within 1e-9 of the hull of `b`.
fn inside(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    let hull = Polytope::new(b).unwrap();
    let near = |v: &Vec<f64>| {
        let moved: Vec<Vec<f64>> = hull.points().map(|p| std::iter::zip(p, v).map(|(p, v)| p - v).collect()).collect();
        Polytope::new(&moved).unwrap().min_norm().norm <= 1e-9 * (1.0 + v.iter().map(|x| x.abs()).sum::<f64>())
    };
    a.iter().all(near)
}

/// The gradients for all selections from {0, 1} at the ties met.
fn all_selections(f: &Program, point: &[Tensor]) -> Vec<Vec<f64>> {
    let met: Vec<(usize, usize)> =
        f.at(point).unwrap().ties(0.0).unwrap().iter().map(|t| (t.site.node, t.site.number)).collect();
    let gradient = f.gradient().unwrap();
    (0..1u32 << met.len())
        .map(|bits| {
            let chosen: HashMap<(usize, usize), f64> =
                met.iter().enumerate().map(|(k, key)| (*key, f64::from(bits >> k & 1))).collect();
            let fill =
                |site: &clarke::program::tie::Site| chosen.get(&(site.node, site.number)).copied().unwrap_or(0.5);
            numbers(&gradient.compile_with::<f64>(&fill).call(point).unwrap())
        })
        .collect()
}

/// The gradient a little way along a direction, where no tie is met.
fn nearby(f: &Program, point: &[Tensor], d: &[f64], step: f64) -> Vec<f64> {
    let moved: Vec<Tensor> = std::iter::zip(point, d).map(|(x, d)| Tensor::scalar(x.item() + step * d)).collect();
    numbers(&f.at(&moved).unwrap().gradient(&Policy::min_norm()).unwrap())
}

const PROGRAMS: u64 = 1500;

#[test]
fn the_conservative_set_is_that_of_all_selections() {
    let mut draw = Draw::new(11);
    for _ in 0..PROGRAMS {
        let (text, f, point) = tied(&mut draw, linear, 8, true);
        let at = f.at(&point).unwrap();
        let mut set = at.conservative(&SetOptions::default()).unwrap();
        assert_eq!(set.known(), Known::Exact, "{text} at {point:?}");
        let (own, brute) = (vertices(&set), all_selections(&f, &point));
        assert!(
            inside(&own, &brute) && inside(&brute, &own),
            "{text} at {point:?}: {own:?}, not the hull of {brute:?}"
        );
        // No vertex can be left out.
        for k in 0..own.len() {
            let others: Vec<Vec<f64>> =
                own.iter().enumerate().filter(|(i, _)| *i != k).map(|(_, v)| v.clone()).collect();
            assert!(
                others.is_empty() || !inside(&own[k..=k], &others),
                "{text} at {point:?}: {:?} is no vertex",
                own[k]
            );
        }
        let (low, high) = set.bounds();
        let (low, high) = (numbers(&low), numbers(&high));
        assert!(brute.iter().all(|v| (0..3).all(|i| low[i] <= v[i] && v[i] <= high[i])), "{text} at {point:?}");
        assert_eq!(set.is_single(), brute.iter().all(|v| *v == brute[0]), "{text} at {point:?}");
    }
}

#[test]
fn the_clarke_set_of_a_piecewise_linear_program_is_that_of_gradients_nearby() {
    let mut draw = Draw::new(12);
    for _ in 0..PROGRAMS {
        let (text, f, point) = tied(&mut draw, linear, 8, false);
        let at = f.at(&point).unwrap();
        let set = at.clarke(&SetOptions::default()).unwrap();
        assert_eq!(set.known(), Known::Exact, "{text} at {point:?}");
        let own = vertices(&set);
        for (vertex, witness) in set.witnesses().unwrap() {
            let Some(d) = &witness.direction else { continue };
            let found = nearby(&f, &point, d, 1e-5);
            assert!(
                inside(std::slice::from_ref(&found), std::slice::from_ref(&vertex)),
                "{text} at {point:?}: {vertex:?} is {found:?} along {d:?}"
            );
        }
        let sampled: Vec<Vec<f64>> = (0..60)
            .map(|_| {
                let d: Vec<f64> = (0..3).map(|_| 2.0 * draw.uniform() - 1.0).collect();
                nearby(&f, &point, &d, 1e-5)
            })
            .collect();
        assert!(inside(&sampled, &own), "{text} at {point:?}: {sampled:?} not in the hull of {own:?}");
        let conservative = vertices(&at.conservative(&SetOptions::default()).unwrap());
        assert!(inside(&own, &conservative), "{text} at {point:?}: Clarke {own:?} outside of {conservative:?}");
    }
}

#[test]
fn every_policy_picks_from_the_conservative_set_and_clarke_elements_are_of_clarkes() {
    let mut draw = Draw::new(13);
    for round in 0..400 {
        let (text, f, point) = tied(&mut draw, if round % 2 == 0 { linear } else { smooth }, 8, false);
        let Ok(at) = f.at(&point) else { continue };
        let mut conservative = at.conservative(&SetOptions::default()).unwrap();
        let policies = [
            Policy::min_norm(),
            Policy::pytorch(),
            Policy::jax(),
            Policy::tensorflow(),
            Policy::Step(0.3),
            Policy::Random(round),
            Policy::Along(vec![vec![1.0.into(), (-0.5).into(), 0.25.into()]]),
        ];
        for policy in policies {
            let g = at.gradient(&policy).unwrap();
            let found = conservative.contains(&g, 1e-9).unwrap();
            assert!(matches!(found, Containment::Inside(_)), "{text} at {point:?}: {policy} gives {g:?}");
        }
        let mut clarke = at.clarke(&SetOptions::default()).unwrap();
        let element = at.clarke_element(round).unwrap();
        let found = clarke.contains(&element, 1e-9).unwrap();
        assert!(matches!(found, Containment::Inside(_)) || clarke.known() == Known::Inner, "{text} at {point:?}");
    }
}

#[test]
fn the_sets_of_smooth_compositions_hold_what_is_met_nearby() {
    let mut draw = Draw::new(14);
    let (mut exact, mut inner) = (0, 0);
    for _ in 0..600 {
        let (text, f, point) = tied(&mut draw, smooth, 6, false);
        let at = f.at(&point).unwrap();
        let set = at.clarke(&SetOptions::default()).unwrap();
        *(if set.known() == Known::Exact { &mut exact } else { &mut inner }) += 1;
        if set.known() != Known::Exact {
            continue;
        }
        let own = vertices(&set);
        for _ in 0..20 {
            let d: Vec<f64> = (0..3).map(|_| 2.0 * draw.uniform() - 1.0).collect();
            let found = nearby(&f, &point, &d, 1e-7);
            let away = |v: &Vec<f64>| std::iter::zip(v, &found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let moved: Vec<Vec<f64>> =
                own.iter().map(|v| std::iter::zip(v, &found).map(|(a, b)| a - b).collect()).collect();
            let distance = Polytope::new(&moved).unwrap().min_norm().norm;
            assert!(
                distance <= 1e-4 * (1.0 + away(&own[0])),
                "{text} at {point:?}: {found:?} not near the hull of {own:?}"
            );
        }
    }
    assert!(exact > 300 && inner > 0, "{exact} exact, {inner} not");
}

#[test]
fn verdicts_are_verified_by_their_checker() {
    let mut draw = Draw::new(15);
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for _ in 0..800 {
        let (text, f, point) = tied(&mut draw, linear, 6, false);
        let judged = f.at(&point).unwrap().judge(&SetOptions::default()).unwrap();
        let name = match judged.verdict {
            Verdict::ClarkeCritical => "clarke",
            Verdict::SpuriousCritical => "spurious",
            Verdict::NotCritical => "not",
            other => panic!("{text} at {point:?}: {other}"),
        };
        *seen.entry(name).or_default() += 1;
        let checked = judged.certificate.expect("decided").check(&f).unwrap();
        assert_eq!(checked, clarke::Checked::Verified, "{text} at {point:?}: {name}");
        if let Some(descent) = judged.descent {
            let slope = f.at(&point).unwrap().directional(&descent.direction).unwrap();
            assert!(slope <= descent.bound + 1e-9, "{text} at {point:?}: slope {slope} above {}", descent.bound);
        }
    }
    assert!(seen.len() == 3 && seen.values().all(|n| *n >= 2), "{seen:?}");
}

#[test]
fn directional_derivatives_are_one_sided_differences() {
    let mut draw = Draw::new(16);
    for round in 0..400 {
        let (text, f, point) = tied(&mut draw, if round % 2 == 0 { linear } else { smooth }, 8, false);
        let at = f.at(&point).unwrap();
        // Directions on a grid, so that ties stay tied along some.
        let d: Vec<Tensor> = (0..3).map(|_| Tensor::scalar(draw.below(3) as f64 - 1.0)).collect();
        let h = 1e-6;
        let moved: Vec<Tensor> =
            std::iter::zip(&point, &d).map(|(x, d)| Tensor::scalar(x.item() + h * d.item())).collect();
        let difference = (f.at(&moved).unwrap().value().unwrap() - at.value().unwrap()) / h;
        let slope = at.directional(&d).unwrap();
        assert!(
            (slope - difference).abs() <= 1e-3 * (1.0 + slope.abs()),
            "{text} at {point:?} along {d:?}: {slope}, {difference}"
        );
        let generalized = at.generalized(&d, &SetOptions::default()).unwrap();
        assert!(slope <= generalized.upper + 1e-9 * (1.0 + slope.abs()), "{text} at {point:?} along {d:?}");
        assert!(dot(&numbers(&generalized.element), &numbers(&d)) <= generalized.upper + 1e-9);
    }
}

/// ⟨w, F⟩ has the gradients wᵀJ: the support function of its set at d is that of the Jacobian's at w dᵀ.
#[test]
fn a_set_of_jacobians_is_that_of_all_weighted_sums() {
    let mut draw = Draw::new(17);
    for _ in 0..150 {
        let (a, b) = (linear(&mut draw, 2), linear(&mut draw, 2));
        let Ok(f) = parse(&format!("stack([{a}, {b}, x])"), INPUTS) else { continue };
        let point: Vec<Tensor> = (0..3).map(|_| Tensor::scalar(draw.below(3) as f64 - 1.0)).collect();
        let w: Vec<f64> = (0..3).map(|_| draw.below(5) as f64 - 2.0).collect();
        let d: Vec<f64> = (0..3).map(|_| draw.below(5) as f64 - 2.0).collect();
        let sum = parse(&format!("{}*({a}) + {}*({b}) + {}*x", w[0], w[1], w[2]), INPUTS).unwrap();
        let (at, at_sum) = (f.at(&point).unwrap(), sum.at(&point).unwrap());
        let options = SetOptions::default();
        let columns: Vec<Tensor> = d.iter().map(|d| Tensor::from_fn(&[3], |i| w[i] * d)).collect();
        let direction: Vec<Tensor> = d.iter().map(|d| Tensor::scalar(*d)).collect();
        let mut pairs = [
            (at.conservative_jacobian(&options).unwrap(), at_sum.conservative(&options).unwrap()),
            (at.clarke_jacobian(&options).unwrap(), at_sum.clarke(&options).unwrap()),
        ];
        for (jacobian, gradient) in &mut pairs {
            let (whole, part) = (jacobian.support(&columns).unwrap(), gradient.support(&direction).unwrap());
            let near = (whole.value - part.value).abs() <= 1e-9 * (1.0 + whole.value.abs());
            assert!(near, "[{a}, {b}] at {point:?}, w = {w:?}, d = {d:?}: {}, {}", whole.value, part.value);
        }
    }
}

/// With more ties than choices can be written out, the extreme points of the conservative set need not be those that
/// directions realize: Clarke's set is searched for itself.
#[test]
fn many_ties_in_the_plane_are_not_judged_by_extreme_choices() {
    let mut draw = Draw::new(18);
    let (mut smaller, mut inner) = (0, 0);
    for _ in 0..40 {
        let term = |draw: &mut Draw| {
            let (sign, a, b) =
                (if draw.below(2) == 0 { "+" } else { "-" }, draw.below(5) as i64 - 2, draw.below(5) as i64 - 2);
            format!("{sign} {}*abs({a}*x + {b}*y)", 1 + draw.below(3))
        };
        let text = format!("0 {} + z*0", (0..14).map(|_| term(&mut draw)).collect::<Vec<_>>().join(" "));
        let f = parse(&text, INPUTS).unwrap().holding(&["z"]).unwrap();
        let point = [0.0.into(), 0.0.into(), 0.0.into()];
        let at = f.at(&point).unwrap();
        let (clarke, conservative) =
            (at.clarke(&SetOptions::default()).unwrap(), at.conservative(&SetOptions::default()).unwrap());
        assert_eq!((clarke.known(), conservative.known()), (Known::Exact, Known::Exact), "{text}");
        let own = vertices(&clarke);
        let hull = vertices(&conservative);
        let sampled: Vec<Vec<f64>> = (0..60)
            .map(|_| nearby(&f, &point, &[2.0 * draw.uniform() - 1.0, 2.0 * draw.uniform() - 1.0, 0.0], 1e-3))
            .collect();
        assert!(inside(&sampled, &own), "{text}: {sampled:?} not in the hull of {own:?}");
        assert!(inside(&own, &hull), "{text}: Clarke {own:?} outside of {hull:?}");
        smaller += usize::from(!inside(&hull, &own));
        inner += usize::from(
            own.iter().any(|v| !hull.iter().any(|w| inside(std::slice::from_ref(v), std::slice::from_ref(w)))),
        );
    }
    assert!(smaller > 20 && inner > 20, "{smaller} smaller, {inner} with a vertex inside");
}
