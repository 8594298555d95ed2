// Asks for the chart when its place has come in sight (`seen`), and gives it a role and a name, also when it is drawn anew.
const SETTLES = 200; // milliseconds: what is above may still be growing, or the place is only scrolled past

const APART = 300; // milliseconds between two charts' asking: Streamlit sends what comes together as one, and keeps one fragment of it
const AGAIN = 4000; // milliseconds after which an unanswered chart asks once more
const CALM = 500; // milliseconds after a click or a key
const LATER = 200;

// A chart's asking that reaches the server before a click has been taken up takes it back to the page the chart is on.
const busy = () => {
  const app = document.querySelector('[data-test-script-state]');
  return performance.now() - window.codiInput < CALM || (app && app.dataset.testScriptState !== 'notRunning');
};

if (window.codiInput === undefined) {
  const noted = () => { window.codiInput = performance.now(); };
  window.codiInput = -CALM;
  for (const kind of ['pointerdown', 'keydown', 'popstate']) window.addEventListener(kind, noted, true);
}

const turn = () => {
  const now = performance.now();
  const mine = Math.max(now, window.codiTurn ?? 0);
  window.codiTurn = mine + APART;
  return mine - now;
};

const askWhenInSight = (place, ask) => {
  let wait;
  const asking = () => {
    const waits = busy();
    if (!waits) ask();
    wait = setTimeout(asking, (waits ? LATER : AGAIN) + turn());
  };
  const sight = new IntersectionObserver((entries) => {
    clearTimeout(wait);
    if (entries.at(-1).isIntersecting) wait = setTimeout(asking, SETTLES + turn());
  });
  sight.observe(place);
  return () => { sight.disconnect(); clearTimeout(wait); };
};

const named = (around, label) => {
  const name = () => {
    const chart = around.querySelector('.stPlotlyChart');
    if (!chart || chart.getAttribute('aria-label') === label) return;
    chart.setAttribute('role', 'figure');
    chart.setAttribute('aria-label', label);
  };
  const drawn = new MutationObserver(name);
  drawn.observe(around, { childList: true, subtree: true });
  name();
  return () => drawn.disconnect();
};

export default function ({ data, parentElement, setTriggerValue }) {
  const place = parentElement.querySelector('.place');
  const around = (parentElement.getRootNode().host || parentElement).closest('[class*="st-key-plot-"]');
  place.setAttribute('aria-label', data.label);
  place.hidden = data.drawn;
  place.leave?.(); // this runs again with every rerun of the page
  place.leave = data.drawn ? around && named(around, data.label) : askWhenInSight(place, () => setTriggerValue('seen', true));
  return () => place.leave?.();
}
