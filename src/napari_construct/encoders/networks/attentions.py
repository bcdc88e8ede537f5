"""Attentions of the last block of an image-text transformer, for dense embeddings.

==============  ==========================  ========  ====================================================
name            attention of the last block residual  source
==============  ==========================  ========  ====================================================
"maskclip"      none: each patch's value    no        Zhou, Loy, Dai 2022, "Extract free dense labels from
                                                      CLIP" (ECCV), section 3.2
"clip_surgery"  softmax(v v^T / sqrt d) v   yes       Li, Wang, Duan, Li 2023, "CLIP Surgery for better
                                                      explainability", section 3.2 (there in several blocks)
"clearclip"     softmax(q q^T / sqrt d) v   no        Lan, Chen, Ke et al. 2024, "ClearCLIP" (ECCV), section 3
"sclip"         (softmax(q q^T / sqrt d) +  yes,      Wang, Mei, Yuille 2024, "SCLIP: rethinking
                softmax(k k^T / sqrt d)) v  with FFN  self-attention for dense inference" (ECCV), eq. 5
"none"          softmax(q k^T / sqrt d) v   yes,      the model as it was trained
                                            with FFN
==============  ==========================  ========  ====================================================

Without the residual the feed-forward part is left out too, as in the papers. Only the last block is
changed here, whatever the paper also does elsewhere.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

DenseAttention = Literal["maskclip", "clip_surgery", "clearclip", "sclip", "none"]
ATTENTIONS: Final[tuple[str, ...]] = get_args(DenseAttention)
