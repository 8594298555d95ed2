"""The screens: the only package that imports streamlit. One folder a page, `shell` around them, `widgets` they share.

* `pages`: `Page`, `PAGES`, `page_of`. Every page of the app: one row here and one file in pages/ of the same name.
* `start`: `open_first`. What is done while the server starts, so that nobody waits for it: the model is opened, and the first page thought
  through once.
"""
