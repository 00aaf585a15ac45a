//! Data that differ from sample to sample: those of `--each`, and those of a file of samples.

use crate::bind::Bindings;
use crate::dataset::{self, Targets};
use crate::minimize::MinimizeArgs;
use crate::report::Exit;
use clarke::{Samples, Tensor};

/// The arrays that have an entry for each sample, by name.
pub struct Each {
    arrays: Vec<(String, Samples)>,
}

impl Each {
    /// Those that `--each` or `--samples` names, if one does.
    pub fn of(args: &MinimizeArgs, data: &Bindings) -> Result<Option<Each>, Exit> {
        if let Some(file) = &args.samples {
            if let Some(name) = ["X", "y"].into_iter().find(|name| data.has(name)) {
                return Err(Exit::input(format!("`{name}` is given twice: by --let and by --samples")));
            }
            let (name, limit) = (args.data.y.as_deref(), dataset::limit(args.memory));
            let set = dataset::read(file, &Targets { name, features: None, limit })?;
            return Ok(Some(Each { arrays: vec![("X".into(), set.data.x), ("y".into(), set.data.y)] }));
        }
        let mut arrays = vec![];
        for name in &args.each {
            let Some(array) = data.get(name) else {
                return Err(Exit::input(format!("--each names `{name}`, which has no array for a value"))
                    .hint(format!("--let {name}=… gives it one")));
            };
            match array.shape() {
                [] => {
                    let why = "which is one number: it has no samples";
                    return Err(Exit::input(format!("--each names `{name}`, {why}")));
                }
                [0, ..] => return Err(Exit::input(format!("--each names `{name}`, which has no samples"))),
                _ => arrays.push((name.clone(), Samples::try_from(array.clone())?)),
            }
        }
        Ok((!arrays.is_empty()).then_some(Each { arrays }))
    }

    /// The arrays by name.
    pub fn arrays(&self) -> impl Iterator<Item = (&str, Samples)> {
        self.arrays.iter().map(|(name, samples)| (name.as_str(), samples.clone()))
    }

    /// Whether a name is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.arrays.iter().any(|(own, _)| own == name)
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.arrays[0].1.count()
    }

    /// An array's first samples.
    pub fn first(&self, name: &str, count: usize) -> Result<Option<Tensor>, Exit> {
        let found = self.arrays.iter().find(|(own, _)| own == name);
        Ok(found.map(|(_, samples)| samples.range(0..count).to_tensor()).transpose()?)
    }

    /// The data with one sample in place of all.
    pub fn one(&self, data: &Bindings) -> Result<Bindings, Exit> {
        let mut one = data.clone();
        for (name, samples) in &self.arrays {
            let entry = Tensor::new(&samples.shape()[1..], samples.range(0..1).to_tensor()?.into_data())?;
            match one.has(name) {
                true => one.replace(name, entry),
                false => one.add(name.clone(), entry)?,
            }
        }
        Ok(one)
    }
}
