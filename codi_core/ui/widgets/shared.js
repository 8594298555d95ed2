// Helpers in front of every component's script. Texts only ever go through textContent.
const element = (tag, className, text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

// Glyphs for spaces and line breaks step back behind the letters.
const tokenInto = (target, text) => {
  const parts = text.split(/([␣⏎⇥␍]+)/).filter(Boolean);
  target.replaceChildren(...parts.map((part) => (/[␣⏎⇥␍]/.test(part) ? element('span', 'dim', part) : part)));
  return target;
};
