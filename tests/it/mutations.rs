//! Fields made of pieces by chance, the same ones in each run.

/// Makes fields of these pieces.
pub(crate) struct Mutations<'a> {
    pieces: &'a [&'a str],
    seed: u64,
}

impl<'a> Mutations<'a> {
    pub(crate) fn of(pieces: &'a [&'a str]) -> Self {
        Self { pieces, seed: 1 }
    }

    /// A field of fewer pieces than this.
    pub(crate) fn field(&mut self, below: usize) -> String {
        let count = self.next(below);
        (0..count).map(|_| self.pieces[self.next(self.pieces.len())]).collect()
    }

    fn next(&mut self, bound: usize) -> usize {
        let product = self.seed.wrapping_mul(6_364_136_223_846_793_005);
        self.seed = product.wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % bound
    }
}
