// Drives mil serve with npm's clients of the APIs: `node main.js MIL`.
// tools/clients/node.sh installs what it needs.
import path from 'node:path';
import { after } from 'node:test';
import ai from './ai.js';
import anthropic from './anthropic.js';
import ollama from './ollama.js';
import openai from './openai.js';
import retries, { queue } from './retries.js';
import { half, key, length, room, Server } from './server.js';
import tools from './tools.js';

const mil = path.resolve(process.argv[2] ?? 'mil');
// Quiet streams carry comments, which must change no text.
const server = await Server.start(mil, '--api-key', key, '--ctx', room, '--ping', '1ms');
const narrow = await Server.start(mil, '--api-key', key, '--ctx', room, '--slots', 1, '--queue', queue, '--body', 2 * half);
after(() => { server.stop(); narrow.stop(); });

const reply = await (await server.chat({ temperature: 0, max_tokens: length })).json();
const want = reply.choices[0].message.content;
for (const tests of [openai, anthropic, ollama, ai, tools]) tests(server, want);
retries(narrow);
