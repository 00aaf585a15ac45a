//! Arrays as JSON.

use clarke::Tensor;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Arrays by name, in order. As JSON an object of numbers and nested lists.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named(pub Vec<(String, Tensor)>);

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &Nested::from(value))?;
        }
        map.end()
    }
}

/// An array as nested lists; a scalar as a number. There is no −0, and what is not finite is null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nested<'a> {
    /// The array's shape.
    pub shape: &'a [usize],
    /// Its entries, row by row: as many as the shape has.
    pub data: &'a [f64],
}

impl<'a> From<&'a Tensor> for Nested<'a> {
    fn from(array: &'a Tensor) -> Nested<'a> {
        Nested { shape: array.shape(), data: array.data() }
    }
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((&count, inner)) = self.shape.split_first() else {
            return serializer.serialize_f64(self.data[0] + 0.0);
        };
        let size: usize = inner.iter().product();
        let mut list = serializer.serialize_seq(Some(count))?;
        for k in 0..count {
            list.serialize_element(&Nested { shape: inner, data: &self.data[k * size..(k + 1) * size] })?;
        }
        list.end()
    }
}

/// The least and largest value of each entry: as JSON `[least, largest]` by name, of an array two of its shape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bounds(pub Vec<(String, Tensor, Tensor)>);

impl Serialize for Bounds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, low, high) in &self.0 {
            map.serialize_entry(name, &[low, high].map(Nested::from))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_nested_lists_in_the_given_order() {
        let w = Tensor::new(&[2, 2], vec![1.0, -2.5, 0.0, 1e-9]).unwrap();
        let solution = Named(vec![("w".into(), w), ("b".into(), Tensor::scalar(3.0))]);
        assert_eq!(serde_json::to_string(&solution).unwrap(), "{\"w\":[[1.0,-2.5],[0.0,1e-9]],\"b\":3.0}");
        let ends = Bounds(vec![("b".into(), Tensor::scalar(-0.0), Tensor::scalar(f64::INFINITY))]);
        assert_eq!(serde_json::to_string(&ends).unwrap(), "{\"b\":[0.0,null]}");
    }
}
