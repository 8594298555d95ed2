// A list of tokens with their probabilities; clicking one sends its id (`pick`).
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector('ol');
  list.setAttribute('aria-label', data.label);
  list.replaceChildren(...data.items.map((item, rank) => {
    const line = element('li'), button = element('button');
    button.type = 'button';
    button.title = item.hint;
    button.setAttribute('aria-label', `${item.text}, ${item.share}. ${item.hint}`);
    button.setAttribute('aria-pressed', String(item.marked));
    const bar = element('span', 'bar');
    bar.style.width = `${item.level * 100}%`;
    const track = element('span', 'track');
    track.append(bar);
    button.append(element('span', 'rank', String(rank + 1)), tokenInto(element('span', 'token'), item.text), track, element('span', 'share', item.share));
    button.onclick = () => setTriggerValue('pick', item.id);
    line.append(button);
    return line;
  }));
}
