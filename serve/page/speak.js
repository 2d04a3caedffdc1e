/**
 * Reads replies to readers of screens, a sentence at a time once it is whole.
 * @module
 */
import { atWork } from './chat.js';
import { byID } from './dom.js';

/** Where the last whole sentence of a text ends, from a place on. */
export function sentenceEnd(text, from) {
  let end = from;
  const ends = /[.!?…。！？](?=["'”’)\]]*\s)["'”’)\]]*|\n+/gu;
  ends.lastIndex = from;
  for (let m = ends.exec(text); m; m = ends.exec(text)) end = m.index + m[0].length;
  return end;
}

/** A text without the marks of Markdown, as it is read out. */
export function spoken(text) {
  return text.replace(/```[^\n]*\n?/g, ' ').replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[*_`#>|~]+/g, ' ').replace(/\s+/g, ' ').trim();
}

/** @param {import('./chat.js').Chat} chat */
export function speak(chat) {
  const region = byID('spoken');
  let id = '';
  let said = 0;
  const tell = (text) => {
    const words = spoken(text);
    if (words) region.append(Object.assign(document.createElement('p'), { textContent: words }));
    while (region.children.length > 20) region.firstChild.remove();
  };
  chat.addEventListener('thread', () => {
    const work = chat.working();
    if (!work || work.id === id) return;
    ({ id } = work);
    said = chat.open.messages[id].content.length;
    region.replaceChildren();
  });
  chat.addEventListener('piece', () => {
    const text = chat.open.messages[id]?.content;
    if (!text) return;
    const end = sentenceEnd(text, said);
    if (end > said) tell(text.slice(said, end));
    said = end;
  });
  chat.addEventListener('done', ({ detail: m }) => {
    if (chat.open.messages[id] !== m) return;
    tell(m.content.slice(said));
    said = m.content.length;
    if (m.finish !== atWork) tell(m.finish === 'stop' ? 'The reply has ended.' : 'The reply is not whole.');
    id = '';
  });
  chat.addEventListener('open', () => region.replaceChildren());
}
