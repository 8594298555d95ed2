// A grid of cells: colours and texts come from Python (figures.panels). Grids of one `group` show each other's hovered cell.
const DRAGGED = 'text/codi-cell';
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
    row.append(element('span', '', String(rank + 1)), tokenInto(element('span'), token), element('span', '', share));
    return row;
  });
  const facts = element('div', lines.length ? 'facts' : 'facts plain');
  facts.append(...[cell.value, ...cell.facts].map((fact) => element('div', '', fact)));
  tip.replaceChildren(element('b', '', cell.title), ...lines, facts);
};

const place = (tip, box) => {
  tip.style.display = 'block';
  const { width, height } = tip.getBoundingClientRect();
  const right = box.right + 10 + width < innerWidth ? box.right + 10 : box.left - 10 - width;
  tip.style.left = `${Math.max(6, right)}px`;
  tip.style.top = `${Math.max(6, Math.min(box.top - 20, innerHeight - height - 8))}px`;
};

const drawLegend = (place, legend, hint) => {
  place.hidden = !legend; // grids side by side: one has it for all
  if (!legend) return;
  place.querySelector('.title').textContent = legend.title;
  place.querySelector('.hint').textContent = hint;
  place.querySelector('.bar').style.background = `linear-gradient(to right, ${legend.stops.join(',')})`;
  const scale = place.querySelector('.scale');
  scale.querySelectorAll('span').forEach((old) => old.remove());
  legend.ticks.forEach(([level, text]) => {
    const tick = element('span', '', text);
    tick.style.left = `${level * 100}%`;
    scale.append(tick);
  });
};

// A text that does not fit is rounded (a number; all of a grid alike) or ends in an ellipsis (a word); what still does not fit is left to
// the colour and to what hovering says. Never cut: half a number reads as another number.
const pen = document.createElement('canvas').getContext('2d');
const NUMBER = /^[<+−-]?[\d.,]+ ?%?(\/[\d.,]+)?$/;
const rounded = (text, digits) => text.replace(/\d+\.\d+/g, (all) => (all.split('.')[1].length > digits ? Number(all).toFixed(digits) : all))
  .replace(/^[+−-](0(?:\.0+)?%?)$/, '$1');
// Of a column's name that has too little room, what stands in brackets: "prompt (bot)" is also "bot".
const headed = (table, columns) => {
  const head = table.tHead.rows[0].cells[1], room = head.clientWidth - 4;
  pen.font = getComputedStyle(head).font;
  const fits = (label) => label.split(' ').every((word) => pen.measureText(word).width <= room);
  return columns.map(({ label }) => (fits(label) ? label : (label.match(/\((.+)\)/) || [label, label])[1]));
};
const fit = (table, cells, columns) => {
  // All is measured before anything is written: in turns, every cell would lay out the page anew.
  const places = cells.flatMap((row, y) => row.map((shown, x) => {
    const cell = table.tBodies[0].rows[y].cells[x + 1];
    return { text: shown.text, cell, room: cell.clientWidth - 4 };
  }));
  if (!places.length || places[0].room <= 0) return; // not laid out yet: the observer calls again
  const heads = headed(table, columns);
  pen.font = getComputedStyle(places[0].cell).font;
  const fits = ({ room }, text) => pen.measureText(text).width <= room;
  const numbers = places.filter(({ text }) => NUMBER.test(text));
  const most = Math.max(0, ...numbers.map(({ text }) => (text.match(/\.\d+/g) || []).reduce((most, part) => Math.max(most, part.length - 1), 0)));
  let digits = most;
  while (digits > 0 && numbers.some((place) => !fits(place, rounded(place.text, digits)))) digits -= 1;
  const said = (place) => {
    if (NUMBER.test(place.text)) return digits < most ? rounded(place.text, digits) : place.text;
    const letters = [...place.text.replace(/…$/, '')];
    for (let kept = letters.length; kept > 1 && !fits(place, place.text); kept -= 1) {
      const shorter = `${letters.slice(0, kept - 1).join('')}…`;
      if (fits(place, shorter)) return shorter;
    }
    return place.text;
  };
  const marked = places.map((place) => ({ ...place, mark: place.cell.querySelector('sup') })).filter(({ mark }) => mark);
  marked.forEach((place) => { place.wide = place.mark.offsetWidth > place.room; });
  heads.forEach((text, x) => { table.tHead.rows[0].cells[x + 1].textContent = text; });
  places.forEach((place) => {
    const text = said(place);
    tokenInto(place.cell, fits(place, text) ? text : '');
  });
  marked.forEach(({ cell, mark, wide }) => {
    cell.append(mark);
    mark.style.visibility = wide ? 'hidden' : '';
  });
};

export default function ({ data, parentElement, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const table = find('table'), tip = find('.tip');
  const { rows, columns, cells, chosen, label, axis, legend, cellHeight, hint, group, drag } = data;
  build(table, rows, columns);
  table.setAttribute('aria-label', label);
  table.style.setProperty('--cell', `${cellHeight}px`);
  find('.frame').style.setProperty('--names', data.names || '30px');
  find('.y').textContent = axis;
  columns.forEach((column, x) => { table.tHead.rows[0].cells[x + 1].textContent = column.label; });

  const at = (y, x) => table.tBodies[0].rows[y]?.cells[x + 1];
  const hide = () => { tip.style.display = 'none'; };
  const tell = (place) => window.dispatchEvent(new CustomEvent('codi-grid', { detail: { group, from: table, place } }));
  const choose = (y, x) => {
    if (cells[y][x].off) return;
    table.querySelectorAll('[aria-selected=true]').forEach((cell) => cell.setAttribute('aria-selected', 'false'));
    at(y, x).setAttribute('aria-selected', 'true'); // before the server answers
    setTriggerValue('pick', [columns[x].id, rows[y].id]);
  };
  const isChosen = (y, x) => Boolean(chosen) && columns[x].id === chosen[0] && rows[y].id === chosen[1];
  const anyChosen = rows.some((_, y) => columns.some((__, x) => isChosen(y, x)));
  const show = (y, x) => {
    fillTip(tip, cells[y][x]);
    place(tip, at(y, x).getBoundingClientRect());
    tell([columns[x].id, rows[y].id]);
  };
  const leave = () => { hide(); tell(null); };

  rows.forEach((row, y) => {
    table.tBodies[0].rows[y].cells[0].textContent = row.label;
    columns.forEach((column, x) => {
      const cell = at(y, x), shown = cells[y][x];
      cell.replaceChildren(...(shown.mark ? [element('sup', '', shown.mark)] : []));
      cell.style.backgroundColor = shown.fill;
      cell.style.color = shown.ink;
      cell.className = shown.edge || '';
      cell.setAttribute('role', 'gridcell');
      cell.setAttribute('aria-label', `${shown.title}: ${shown.text}, ${shown.value}`);
      cell.setAttribute('aria-selected', String(isChosen(y, x)));
      cell.setAttribute('aria-disabled', String(Boolean(shown.off)));
      cell.tabIndex = (anyChosen ? isChosen(y, x) : y === 0 && x === 0) ? 0 : -1;
      cell.onclick = () => choose(y, x);
      cell.draggable = Boolean(drag);
      if (drag) {
        cell.ondragstart = ({ dataTransfer }) => { hide(); dataTransfer.setData(DRAGGED, JSON.stringify([drag, column.id, row.id])); };
        cell.ondragover = (event) => { if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault(); };
        cell.ondrop = (event) => {
          event.preventDefault();
          const [from, ...taken] = JSON.parse(event.dataTransfer.getData(DRAGGED));
          if (from !== drag) setTriggerValue('drop', [...taken, column.id, row.id]);
        };
      }
      cell.onmouseenter = () => show(y, x);
      cell.onmouseleave = leave;
      cell.onblur = leave;
      cell.onkeydown = (event) => {
        const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (step) {
          const next = at(y + step[0], x + step[1]);
          if (next && next.tagName === 'TD') {
            cell.tabIndex = -1;
            next.tabIndex = 0;
            next.focus();
            show(y + step[0], x + step[1]);
          }
        } else if (event.key === 'Enter' || event.key === ' ') choose(y, x);
        else if (event.key === 'Escape') leave();
        else return;
        event.preventDefault();
      };
    });
  });
  find('.scroll').onscroll = leave;
  if (table.sizes) table.sizes.disconnect();
  table.sizes = new ResizeObserver(() => fit(table, cells, columns)); // calls once the table is laid out, and before it is painted
  table.sizes.observe(table);
  if (document.fonts.status !== 'loaded') document.fonts.ready.then(() => fit(table, cells, columns));

  const follow = ({ detail }) => {
    if (!group || detail.group !== group || detail.from === table) return;
    table.querySelectorAll('.linked').forEach((cell) => cell.classList.remove('linked'));
    if (!detail.place) return;
    const x = columns.findIndex(({ id }) => id === detail.place[0]), y = rows.findIndex(({ id }) => id === detail.place[1]);
    if (x >= 0 && y >= 0) at(y, x).classList.add('linked');
  };
  if (table.follow) window.removeEventListener('codi-grid', table.follow);
  table.follow = follow;
  window.addEventListener('codi-grid', follow);

  drawLegend(find('.legend'), legend, hint);
  return () => {
    hide();
    table.sizes.disconnect();
    window.removeEventListener('codi-grid', follow);
  };
}
