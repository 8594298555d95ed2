// The regions hang on the page itself: one that is repainted with its text says nothing.
export default function ({ data }) {
  const id = `codi-said-${data.name}`;
  let region = document.getElementById(id);
  if (!region) {
    region = element('div');
    region.id = id;
    region.setAttribute('role', 'status');
    region.style.cssText = 'position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;';
    document.body.append(region);
  }
  if (region.textContent !== data.text) region.textContent = data.text;
}
