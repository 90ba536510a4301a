//! One pass over rows that continue several sequences: the layer of `layer.rs` without what its
//! backward pass needs, and with the keys and values of earlier positions cached.

use burn::tensor::DType;
use sigil_kernels::{
    CacheShape, CachedRows, Decoding, Matrix, Pages, SequenceLayout, Span, layout::int_vector,
};

use super::weights::{GenerationModel, Layer};

impl<B: Decoding> GenerationModel<B> {
    /// Empty caches of all layers.
    pub(super) fn caches(&self, slots: usize, capacity: usize, pages: usize) -> Vec<B::Cache> {
        let shapes = self.layers.iter().map(|layer| CacheShape {
            slots,
            capacity,
            pages,
            kv_heads: layer.attention.kv_heads,
            head_dim: layer.attention.head_dim,
        });
        // They stay as long as the weights do.
        let make = || shapes.map(|shape| B::cache(shape, &self.device)).collect();
        B::with_exact_memory(&self.device, make)
    }

    /// Where the rows of a pass lie in the caches.
    pub(super) fn rows(&self, spans: Vec<Span>, pages: &Pages) -> CachedRows<B> {
        CachedRows::new(spans, pages, &self.device)
    }

    /// Logits after the rows `wanted`, `[wanted, vocab]`, f32; all rows enter the caches.
    ///
    /// # Shapes
    /// `tokens [rows]` in the order of `rows`.
    pub(super) fn forward(
        &self,
        tokens: &[u32],
        rows: &CachedRows<B>,
        caches: &mut [B::Cache],
        wanted: &[usize],
    ) -> Matrix<B> {
        let ids = int_vector(tokens.iter().map(|&token| token as i32).collect(), &self.device);
        let parts: Vec<(usize, usize)> =
            rows.spans().iter().map(|span| (span.first, span.rows)).collect();
        let layout = SequenceLayout::continued(&parts, &self.device);
        let mut x = <B as sigil_kernels::Kernels>::embed(&self.embedding, &ids, self.compute);
        for (layer, cache) in self.layers.iter().zip(caches) {
            x = self.layer(layer, x, &layout, rows, cache);
        }
        if wanted.len() < tokens.len() {
            let wanted = wanted.iter().map(|&row| row as i32).collect();
            x = x.select(0, int_vector(wanted, &self.device));
        }
        B::row_linear(&self.final_norm.apply(&x), &self.head, None).cast(DType::F32)
    }

    /// Logits of every token of `texts`, text after text: the first `prompt` tokens of each in one
    /// pass, the others one a pass, all texts together. For tests against the whole pass.
    pub fn logits_in_pieces(&self, texts: &[Vec<u32>], prompt: usize) -> Vec<f32> {
        let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let each = Pages::of_positions(longest);
        let mut pages = Pages::new(texts.len(), texts.len() * each);
        for slot in 0..texts.len() {
            pages
                .begin(slot, None, longest)
                .expect("there are pages for the longest in every slot");
        }
        let mut caches = self.caches(texts.len(), longest, texts.len() * each);
        let mut found: Vec<Vec<f32>> = vec![vec![]; texts.len()];
        let mut from = 0;
        while from < longest {
            let to = if from == 0 { prompt.clamp(1, longest) } else { from + 1 };
            let part = |text: &Vec<u32>| text[from.min(text.len())..to.min(text.len())].to_vec();
            let spans: Vec<Span> = texts
                .iter()
                .enumerate()
                .map(|(slot, text)| Span { slot, first: from, rows: part(text).len() })
                .filter(|span| span.rows > 0)
                .collect();
            let tokens: Vec<u32> = texts.iter().flat_map(part).collect();
            let wanted: Vec<usize> = (0..tokens.len()).collect();
            let rows = self.rows(spans, &pages);
            let logits = self.forward(&tokens, &rows, &mut caches, &wanted);
            let vocabulary = logits.dims()[1];
            let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
            let mut rest = &logits[..];
            for span in rows.spans() {
                let (own, others) = rest.split_at(span.rows * vocabulary);
                found[span.slot].extend_from_slice(own);
                rest = others;
            }
            from = to;
        }
        found.concat()
    }

    fn layer(
        &self,
        layer: &Layer<B>,
        x: Matrix<B>,
        layout: &SequenceLayout<B>,
        rows: &CachedRows<B>,
        cache: &mut B::Cache,
    ) -> Matrix<B> {
        let shape = layer.attention;
        let h = layer.attention_norm.apply(&x);
        let widths = [shape.heads, shape.kv_heads, shape.kv_heads].map(|n| n * shape.head_dim);
        let [mut q, mut k, v] = project(&layer.qkv, &h, widths);
        if let Some([q_norm, k_norm]) = &layer.head_norms {
            q = q_norm.apply_to_heads(q, shape.head_dim);
            k = k_norm.apply_to_heads(k, shape.head_dim);
        }
        let q = B::rotate(q, &self.rotary, layout, shape.head_dim, false);
        let k = B::rotate(k, &self.rotary, layout, shape.head_dim, false);
        let attended = B::cached_attention(&q, &k, &v, cache, rows, shape);
        let x = layer.output.apply(&attended, Some(x));

        let h = layer.mlp_norm.apply(&x);
        let width = self.config.intermediate_size;
        let [gate, up] = project(&layer.gate_up, &h, [width, width]);
        layer.down.apply(&B::swiglu(&gate, &up), Some(x))
    }
}

/// One projection each, or the columns of a fused one.
fn project<B: Decoding, const N: usize>(
    linears: &[super::weights::RowLinear<B>],
    h: &Matrix<B>,
    widths: [usize; N],
) -> [Matrix<B>; N] {
    let [fused] = linears else {
        let all = super::weights::RowLinear::apply_all(linears, h);
        return all.try_into().expect("there is a projection for each width");
    };
    let all = fused.apply(h, None);
    let rows = all.dims()[0];
    let mut from = 0;
    widths.map(|width| {
        from += width;
        all.clone().slice([0..rows, from - width..from])
    })
}
