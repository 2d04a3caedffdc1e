// A running mil serve, and what tests ask it beside the clients.
import { execFileSync, spawn } from 'node:child_process';
import net from 'node:net';
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

export const key = 'a key of the test';
export const prompt = 'Tell me a tale about a fox.';
export const messages = [{ role: 'user', content: prompt }];
export const length = 24;
export const room = 1 << 17; // of the context: a reply that fills it takes minutes
const patience = 20000; // ms until what must come

// Server is mil serve with the demo, on a port of its own.
export class Server {
  static async start(mil, ...args) {
    const s = new Server();
    s.mil = mil;
    s.process = spawn(mil, ['serve', '--listen', '127.0.0.1:0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const line = await new Promise((resolve, reject) => {
      s.process.once('error', reject);
      s.process.once('exit', (code) => reject(new Error(`mil serve ended with ${code}`)));
      s.process.stdout.once('data', (data) => resolve(String(data)));
    });
    s.url = /^listening on (http:\S+)/.exec(line)?.[1];
    assert(s.url, line);
    return s;
  }

  stop() {
    this.process.removeAllListeners('exit');
    this.process.kill('SIGKILL');
  }

  // get reads what the server tells of itself.
  async get(path) {
    const r = await fetch(this.url + path, { headers: { 'X-Api-Key': key } });
    assert.equal(r.status, 200);
    return r.text();
  }

  metrics() { return this.get('/metrics'); }

  // chat asks without any client.
  async chat(fields, options = {}) {
    return fetch(`${this.url}/v1/chat/completions`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Api-Key': key }, body: JSON.stringify({ messages, ...fields }), ...options,
    });
  }

  // slots are the counts of requests at work.
  async slots() { return JSON.parse(await this.get('/slots')).demo ?? {}; }

  // until waits for slots that are as they must be.
  async until(name, ok) {
    for (const end = Date.now() + patience; !ok(await this.slots()); await sleep(10)) {
      assert(Date.now() < end, `${name} does not come`);
    }
  }

  // endless is a bias against the token that ends the demo's replies.
  endless() {
    this.bias ??= Object.fromEntries(JSON.parse(execFileSync(this.mil, ['tokenize', 'demo', '--special', '--jsonl'], {
      input: '{"text":"<|eot_id|>"}', encoding: 'utf8' })).ids.map((id) => [id, -100]));
    return this.bias;
  }
}

// leaves holds that a client that leaves in the middle of a reply leaves nothing at work.
// pieces gives the pieces of a reply that does not end by itself.
export async function leaves(server, abort, pieces) {
  let n = 0;
  try {
    for await (const _ of pieces) {
      if (++n === 3) {
        assert.equal((await server.slots()).decoding, 1);
        abort();
      }
      assert(n < 10000, 'the client goes on');
    }
  } catch (err) {
    if (err instanceof assert.AssertionError || n < 3) throw err;
  }
  assert(n >= 3, `the reply ends after ${n} pieces`);
  await server.until('a free slot', (s) => s.decoding === 0);
}

// fullQueue fills a slot and a queue, and gives what ends that.
export async function fullQueue(server, queue) {
  const gone = new AbortController();
  const hold = () => server.chat({ logit_bias: server.endless() }, { signal: gone.signal }).then(
    (r) => { throw new Error(`a reply ends: ${r.status}`); }, () => {}); // it left
  hold(); // of more at once, one would find the queue full before the slot is taken
  await server.until('a request at work', (s) => s.decoding === 1);
  for (let i = 0; i < queue; i++) hold();
  await server.until('a full queue', (s) => s.waiting === queue);
  return () => gone.abort();
}

// half of what all requests together may take in largeBody.
export const half = 64 << 20;

// largeBody sends a part of a request that fills what all requests together may take,
// and gives what ends that.
export async function largeBody(server) {
  const { hostname, port } = new URL(server.url);
  const c = net.connect({ host: hostname, port });
  c.on('error', () => {}); // metrics tell whether all of it came
  c.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Api-Key: ${key}\r\nContent-Length: ${2 * half}\r\n\r\n`);
  c.write(Buffer.alloc(half + 1, ' '));
  // A request that came meanwhile could take the room that this one needs.
  for (const end = Date.now() + patience; !(await server.metrics()).includes(`mil_body_bytes ${2 * half}\n`); await sleep(10)) {
    assert(Date.now() < end, 'there is room for more');
  }
  return () => c.destroy();
}
