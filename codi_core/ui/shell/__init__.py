"""What is around every page: style, address, sessions, errors, long work.

* `background`: `Run`, `repainted`. Long work of this session in a thread of its own, so that the page stays free; what was computed is
  kept whatever happens.
* `calls`: `workbench`, `viewer`, `behind`, `on_wait`. Services as pages call them: by `workbench`, results cached by request key, this
  session's newest request first.
* `codec`: `param`, `PageSetup`. What the address of a page says, as a frozen value: each page declares its parameters once, and links to
  it are made from them.
* `errors`: `shown_errors`, `said`, `plain`. What a person sees when something fails: the message of an expected error, or an id under
  which the server's log has the rest.
* `line`: `watch`, `words`. Where a viewer stands in the line before the model, said at the head of the page while they wait.
* `layout`. What every page shares: style, the model picker, and the way in.
* `login`: `require`, `who`. Where a server's operator has set up a log-in, nobody passes without one.
* `missing`: `check`. What a link asks for that is not here: said in a line at the head of the page, with what is shown instead.
* `url`. The page's state that no widget owns (prompt, cell): it lives in the URL, so that a link shows what its sender saw.
"""
