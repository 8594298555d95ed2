"""Questions: our own with known step values, public sets, files of any shape; how they group and what counts as the answer.

* `answers`: `ANSWER_RULES`, `read_answer`, `compared`, `mentions`. How answers are read: the last number, or words by a rule of the eval
  set. A rule says what of an answer counts and in which form it is.
* `clusters`: `clusters_of`, `grouping`, `family_of`, `triple_of`, `first_half`, `check_disjoint`. Which questions stand or fall together:
  by text, by the numbers of a story, by its wording.
* `columns`: `Wrong`, `Row`, `rows_of`. From the columns of a row to a question and its answer, by the names that public data sets and
  spreadsheets use, in any case.
* `comparisons`: `REQUEST`, `who_has_more`. Problems of our own whose answer is a word: who of two has more. The bundled models were
  trained on numbers only, so they are not.
* `drawing`: `sample`. Questions drawn from a longer list, the same ones every time.
* `evalsets`: `DEFAULT_MEANS`, `load_eval_set`, `asked_of`, `load_file`, `means_sets`, `as_question`, `EVAL_SETS`. Eval sets by name: our
  own problems, public data sets through the hub, or any file a person names.
* `formats`: `ENDINGS`, `FILE_TYPES`, `ending_of`. Files of rows as people save them: JSON lines, JSON, CSV, TSV and parquet, also
  gzipped, in the encodings spreadsheets write.
* `generate`: `Split`, `Family`, `MAX_VALUE`, `Step`, `Problem`, `stream`, `equations` …. Word problems made on demand: text, answer, the
  value of every reasoning step, and the split they belong to.
* `grouping`: `TEXT`, `groups_of`. Which rows of a file go together: by its group columns, and rows that ask the same text.
* `hub`: `PARQUET`, `HubFiles`. Data sets of the Hugging Face hub, downloaded once and read like any other file.
* `numbers`: `LEAD`, `bare_answer`, `read_number`, `is_number`, `has_decimal_comma`. Numbers as people publish them: with thousands,
  decimal commas, currencies, per cent, fractions and LaTeX.
* `reading`: `Reading`, `AS_IT_IS`, `read_questions`. Questions from files other people wrote, with the column names that public data sets
  use.
* `stories`: `Slot`, `Story`, `Setting`, `GROUPS`, `PERCENT`, `CHAINS`, `RATES` …. The texts of our word problems, as data.
"""
