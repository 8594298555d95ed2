// A static page: views of grids (one view at a time), and what a click on a cell tells. Everything is in the page: #data is
// {views: [{name, grids: [grid as heatgrid.js takes it]}], details?: {cell id: {fixed, broken}}, questions?: [[text, gold]]}.
const source = document.getElementById('data');
const data = source ? JSON.parse(source.textContent) : null;

const hosts = new Map();
const hostOf = (place, number) => {
  if (!hosts.has(number)) {
    const box = element('section', 'grid');
    const host = element('div');
    const root = host.attachShadow({ mode: 'open' });
    root.innerHTML = `<style>${GRID_STYLE}</style>${GRID_MARKUP}`; // fixed texts of ours; data come in by textContent
    box.append(element('h3'), host);
    place.append(box);
    hosts.set(number, { box, root });
  }
  return hosts.get(number);
};

const cellOf = (grid, [column, row]) => {
  const y = grid.rows.findIndex(({ id }) => id === row), x = grid.columns.findIndex(({ id }) => id === column);
  return y < 0 || x < 0 ? null : grid.cells[y][x];
};

const ranking = (cell) => {
  const list = element('ol', 'ranking');
  cell.top.forEach(([token, share]) => {
    const line = element('li');
    line.append(tokenInto(element('span', 'token'), token), element('span', 'share', share));
    list.append(line);
  });
  return list;
};

const changed = (title, rows) => {
  const box = element('details');
  box.append(element('summary', '', `${title} (${rows.length})`));
  rows.forEach(([number, before, after]) => {
    const [question, gold] = data.questions[number];
    const item = element('div', 'flip');
    item.append(element('p', '', question), element('p', 'answers', `right ${gold} · unsteered ${before} · steered ${after}`));
    box.append(item);
  });
  return box;
};

const detailsOf = (name, cell) => {
  const box = element('div', 'cell');
  const facts = element('ul', 'facts');
  facts.append(...[cell.value, ...cell.facts].map((fact) => element('li', '', fact)));
  box.append(element('h3', '', name), facts);
  if (cell.top.length) box.append(ranking(cell));
  const own = data.details?.[cell.id];
  if (own) box.append(changed('Questions it fixed', own.fixed), changed('Questions it broke', own.broken));
  return box;
};

const show = (view, chosen) => {
  const place = document.getElementById('grids'), panel = document.getElementById('details');
  const pick = (column, row) => show(view, [column, row]);
  hosts.forEach(({ box }, number) => { box.hidden = number >= view.grids.length; });
  view.grids.forEach((grid, number) => {
    const { box, root } = hostOf(place, number);
    box.firstChild.textContent = grid.name;
    heatgrid({ data: { ...grid, chosen }, parentElement: root, setTriggerValue: (_, [column, row]) => pick(column, row) });
  });
  const found = view.grids.map((grid) => [grid, cellOf(grid, chosen)]).filter(([, cell]) => cell);
  panel.replaceChildren(...found.map(([grid, cell]) => detailsOf(found.length > 1 ? `${grid.name} · ${cell.title}` : cell.title, cell)));
};

if (data) {
  const first = Math.max(0, data.views.findIndex(({ first }) => first));
  const choose = document.getElementById('view');
  const chosen = (view) => view.grids[0].chosen || [view.grids[0].columns[0].id, view.grids[0].rows[0].id];
  if (choose) {
    data.views.forEach(({ name }, number) => choose.append(Object.assign(element('option', '', name), { value: number })));
    choose.value = first;
    choose.onchange = () => show(data.views[choose.value], chosen(data.views[choose.value]));
  }
  show(data.views[first], chosen(data.views[first]));
}
