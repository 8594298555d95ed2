// The prompt with its tokens. What is typed goes to Python after a pause (`draft`); Ctrl+Enter or the button runs it (`run`).
const PAUSE = 250;

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const area = find('textarea'), button = find('button'), stale = find('.stale');
  const { value, serial, shown, tokens, more, count, note, focus } = data;

  if (area.dataset.serial !== String(serial)) { // set by Python: an example was chosen, or the page was just opened
    area.value = value;
    area.dataset.serial = serial;
    if (focus) area.focus();
  }
  const grow = () => {
    area.style.height = 'auto';
    area.style.height = `${Math.min(area.scrollHeight + 2, 220)}px`;
  };
  const mark = () => {
    stale.hidden = area.value.trim() === shown.trim();
  };
  const run = () => {
    clearTimeout(area.pause);
    setTriggerValue('run', area.value);
  };

  const strip = find('.strip');
  strip.replaceChildren(...tokens.map(({ text, special }) => tokenInto(element('span', special ? 'token special' : 'token'), text)));
  if (more) strip.append(element('span', 'more', more));
  find('.count').textContent = count;
  const noteLine = find('.note');
  noteLine.textContent = note;
  noteLine.hidden = !note;

  area.oninput = () => {
    grow();
    mark();
    clearTimeout(area.pause);
    area.pause = setTimeout(() => setStateValue('draft', area.value), PAUSE);
  };
  area.onkeydown = (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    }
  };
  button.onclick = run;
  requestAnimationFrame(grow);
  mark();
}
