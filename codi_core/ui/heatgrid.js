// A grid of tokens: colours and texts come from Python (figures.paint).
const build = (table, rows, columns) => {
  const shape = `${rows.length}x${columns.length}`;
  if (table.dataset.shape === shape) return;
  table.dataset.shape = shape;
  const names = element('colgroup');
  names.append(element('col', 'names'));
  const head = element('thead'), line = element('tr'), body = element('tbody');
  line.append(element('td', 'corner'), ...columns.map(() => element('th')));
  head.append(line);
  rows.forEach(() => {
    const row = element('tr');
    row.setAttribute('role', 'row');
    row.append(element('th'), ...columns.map(() => element('td')));
    body.append(row);
  });
  table.replaceChildren(names, head, body);
};

const fillTip = (tip, cell) => {
  const lines = cell.top.map(([token, share], rank) => {
    const row = element('div', 'row');
    row.append(element('span', '', String(rank + 1)), element('span', '', token), element('span', '', share));
    return row;
  });
  const facts = element('div', 'facts');
  facts.append(...cell.facts.map((fact) => element('div', '', fact)));
  tip.replaceChildren(element('b', '', cell.title), ...lines, facts);
};

const place = (tip, box) => {
  tip.style.display = 'block';
  const { width, height } = tip.getBoundingClientRect();
  const right = box.right + 10 + width < innerWidth ? box.right + 10 : box.left - 10 - width;
  tip.style.left = `${Math.max(6, right)}px`;
  tip.style.top = `${Math.max(6, Math.min(box.top - 20, innerHeight - height - 8))}px`;
};

export default function ({ data, parentElement, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const table = find('table'), tip = find('.tip');
  const { rows, columns, cells, chosen, label, axis, legend, cellHeight } = data;
  build(table, rows, columns);
  table.setAttribute('aria-label', label);
  table.style.setProperty('--cell', `${cellHeight}px`);
  find('.y').textContent = axis;
  columns.forEach((column, x) => { table.tHead.rows[0].cells[x + 1].textContent = column.label; });

  const at = (y, x) => table.tBodies[0].rows[y]?.cells[x + 1];
  const hide = () => { tip.style.display = 'none'; };
  const choose = (y, x) => {
    table.querySelectorAll('[aria-selected=true]').forEach((cell) => cell.setAttribute('aria-selected', 'false'));
    at(y, x).setAttribute('aria-selected', 'true'); // before the server answers
    setTriggerValue('pick', [columns[x].id, rows[y].id]);
  };
  const isChosen = (y, x) => Boolean(chosen) && columns[x].id === chosen[0] && rows[y].id === chosen[1];
  const anyChosen = rows.some((_, y) => columns.some((__, x) => isChosen(y, x)));

  rows.forEach((row, y) => {
    table.tBodies[0].rows[y].cells[0].textContent = row.label;
    columns.forEach((column, x) => {
      const cell = at(y, x), shown = cells[y][x];
      tokenInto(cell, shown.text);
      cell.style.backgroundColor = shown.fill;
      cell.style.color = shown.ink;
      cell.setAttribute('role', 'gridcell');
      cell.setAttribute('aria-label', `${shown.title}: ${shown.text}, ${shown.value}`);
      cell.setAttribute('aria-selected', String(isChosen(y, x)));
      cell.tabIndex = (anyChosen ? isChosen(y, x) : y === 0 && x === 0) ? 0 : -1;
      const show = () => { fillTip(tip, shown); place(tip, cell.getBoundingClientRect()); };
      cell.onclick = () => choose(y, x);
      cell.onmouseenter = show;
      cell.onmouseleave = hide;
      cell.onblur = hide;
      cell.onkeydown = (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (step) {
          const next = at(y + step[0], x + step[1]);
          if (next && next.tagName === 'TD') {
            cell.tabIndex = -1;
            next.tabIndex = 0;
            next.focus();
            fillTip(tip, cells[y + step[0]][x + step[1]]);
            place(tip, next.getBoundingClientRect());
          }
        } else if (event.key === 'Enter' || event.key === ' ') choose(y, x);
        else if (event.key === 'Escape') hide();
        else return;
        event.preventDefault();
      };
    });
  });
  find('.scroll').onscroll = hide;

  find('.legend .title').textContent = legend.title;
  find('.bar').style.background = `linear-gradient(to right, ${legend.stops.join(',')})`;
  const scale = find('.scale');
  scale.querySelectorAll('span').forEach((old) => old.remove());
  legend.ticks.forEach(([level, text]) => {
    const tick = element('span', '', text);
    tick.style.left = `${level * 100}%`;
    scale.append(tick);
  });
  return hide;
}
