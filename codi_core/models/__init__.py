"""Checkpoints to models: `load.load_model(request, settings)` gives a `model.CodiModel`.

* `architectures`: `Architecture`, `architecture_of`, `empty_model`, `make_rotary`, `check_recomputed`, `other_architecture`.
  Architectures: which modules one is of and how they map to our canonical names. A new one is one row of ARCHITECTURES.
* `blocks`: `CausalModel`, `Llama`, `GPT2`, `Rotary`, `Linear`, `Conv1D`, `KVCache`, `causal_attention`. The transformers that checkpoints
  are of, bit for bit as in `transformers`; attention is plain and causal, or that of the cache that a call brings along.
* `config`: `Config`, `read_config`. A base model's ``config.json`` as numbers.
* `checkpoint`: `Target`, `ranks_of`, `embedding_rows`, `load_body`, `load_projection`. Sorted tensors to weights: LoRA merged, one
  storage for tied pairs, every tensor accounted for.
* `families`: `FAMILIES`. Families of latent-reasoning checkpoints: what their public code writes into a file and does with it. A new one
  is a row of FAMILIES.
* `files`: `WEIGHT_FILES`, `INDEX_SUFFIX`, `WeightFiles`, `find_weights`, `own_name`, `read_tensors` …. Weight files: which ones a
  folder holds, what a model is called by where it lies, and tensors by name, read without running code.
* `foreign`: `check_content`, `instead_of_weights`, `shard_of`. What lies where weights were expected: a pointer, a web page, another
  library's format, one process's share of a training run.
* `hub`: `split_hub_id`, `fetch`, `fetch_tokenizer`, `is_here`. Fetch a checkpoint from the Hugging Face hub: its weights and the
  small files beside them, nothing else.
* `load`: `ModelRequest`, `load_model`. From the name of a model to a `CodiModel`: find the files, settle what they cannot say, load
  strictly.
* `lora`: `REPLACED`, `Lora`, `lora_of`, `Scaling`, `read_scaling`. LoRA as PEFT writes it: which tensors belong to a module, and how the
  product is scaled.
* `model`: `CodiModel`. A loaded model under canonical names, whatever its family.
* `names`: `HEAD`, `Sorted`, `sort_names`. Tensor names as training tools write them → the base model's own names, sorted by what they
  are.
* `presets`: `PRESETS`, `KNOWN`, `known`. Models known by name, and what their files cannot say.
* `prompts`: `clean_question`. The one way a question becomes token ids, and what frames it and its answer.
* `recognise`: `named_family`, `family_of`. Which family a checkpoint is of: by its names, its tokens and the number of added rows, never
  by position.
* `rows`: `SpecialIds`, `Rows`, `special_ids`, `name_tokens`. Which rows of the embedding are the family's own tokens: from the tokenizer,
  else from the base's vocabulary and the family's order.
* `tokenizer`: `FAST_FILE`. Tokenizers from a folder: the fast file, or the vocabulary and merges of a slow one.
"""
