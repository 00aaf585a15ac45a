//! Data of the workloads: numbers that every language makes alike.

/// SplitMix64 (Steele, Lea, Flood 2014) as a counter: number i is the mix of seed + i · γ, from i = 1 on.
pub struct Stream {
    seed: u64,
    drawn: u64,
}

/// The odd number nearest 2⁶⁴ / φ.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

impl Stream {
    /// The stream of a seed, at its start.
    pub fn new(seed: u64) -> Stream {
        Stream { seed, drawn: 0 }
    }

    fn bits(&mut self) -> u64 {
        self.drawn += 1;
        let z = self.seed.wrapping_add(self.drawn.wrapping_mul(GAMMA));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of [0, 1), a multiple of 2⁻⁵³.
    fn one(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * 2f64.powi(-53)
    }

    /// n numbers of [0, 1).
    pub fn uniform(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.one()).collect()
    }

    /// n numbers of the normal distribution, by Box and Muller's cosine: one for each two draws.
    pub fn normal(&mut self, n: usize) -> Vec<f64> {
        let mut each = || {
            let (u, v) = (self.one(), self.one());
            (-2.0 * (-u).ln_1p()).sqrt() * (std::f64::consts::TAU * v).cos()
        };
        (0..n).map(|_| each()).collect()
    }

    /// n whole numbers of [0, below).
    pub fn integers(&mut self, below: usize, n: usize) -> Vec<usize> {
        (0..n).map(|_| (self.one() * below as f64) as usize).collect()
    }
}

/// Each number times a factor.
pub fn scaled(numbers: Vec<f64>, factor: f64) -> Vec<f64> {
    numbers.into_iter().map(|x| x * factor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of SplitMix64 from the seed 1234567, as its authors' code prints them.
    #[test]
    fn the_stream_is_splitmix64() {
        let mut stream = Stream::new(1_234_567);
        assert_eq!([stream.bits(), stream.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
