// npm's clients call a function that the request requires, whole and streamed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateText, jsonSchema, streamText, tool } from 'ai';
import { provider } from './ai.js';
import { client as anthropic } from './anthropic.js';
import { messages, prompt } from './server.js';
import { client as openai } from './openai.js';

const schema = {
  type: 'object', required: ['planet', 'days'], additionalProperties: false,
  properties: { planet: { type: 'string', enum: ['Mars', 'Venus'] }, days: { type: 'integer', minimum: 1, maximum: 99 } },
};

function flies(name, input) {
  assert.equal(name, 'fly_to');
  assert.deepEqual(Object.keys(input).sort(), ['days', 'planet']);
  assert.ok(['Mars', 'Venus'].includes(input.planet) && Number.isInteger(input.days), JSON.stringify(input));
}

export default function tools(server) {
  test('openai: tools', async () => {
    const ask = {
      model: 'demo', messages, temperature: 0, max_completion_tokens: 200, parallel_tool_calls: false, tool_choice: 'required',
      tools: [{ type: 'function', function: { name: 'fly_to', parameters: schema, strict: true } }],
    };
    const c = openai(server);
    const [one] = (await c.chat.completions.create(ask)).choices;
    assert.deepEqual([one.finish_reason, one.message.tool_calls.length, one.message.content], ['tool_calls', 1, null]);
    flies(one.message.tool_calls[0].function.name, JSON.parse(one.message.tool_calls[0].function.arguments));
    const [same] = (await c.chat.completions.stream(ask).finalChatCompletion()).choices; // puts deltas together
    assert.equal(same.message.tool_calls[0].function.arguments, one.message.tool_calls[0].function.arguments);
    const more = [...messages, one.message, { role: 'tool', tool_call_id: one.message.tool_calls[0].id, content: 'red' }];
    const after = await c.chat.completions.create({ ...ask, messages: more, tool_choice: 'auto', max_completion_tokens: 8 });
    assert.ok(after.usage.completion_tokens > 0);
    const r = await c.responses.stream({
      model: 'demo', input: prompt, temperature: 0, max_output_tokens: 200, tool_choice: { type: 'function', name: 'fly_to' },
      tools: [{ type: 'function', name: 'fly_to', parameters: schema, strict: true }],
    }).finalResponse();
    flies(r.output[0].name, JSON.parse(r.output[0].arguments));
  });

  test('anthropic: tools', async () => {
    const ask = {
      model: 'demo', messages, temperature: 0, max_tokens: 200, tool_choice: { type: 'any', disable_parallel_tool_use: true },
      tools: [{ name: 'fly_to', input_schema: schema }],
    };
    const c = anthropic(server);
    for (const m of [await c.messages.create(ask), await c.messages.stream(ask).finalMessage()]) {
      assert.deepEqual([m.stop_reason, m.content.length, m.content[0].type], ['tool_use', 1, 'tool_use']);
      flies(m.content[0].name, m.content[0].input);
    }
  });

  test('ai: tools', async () => {
    const ask = {
      model: provider(server)('demo'), prompt, temperature: 0, maxOutputTokens: 200, maxRetries: 0, toolChoice: { type: 'tool', toolName: 'fly_to' },
      tools: { fly_to: tool({ description: 'Flies.', inputSchema: jsonSchema(schema) }) },
    };
    const whole = await generateText(ask);
    assert.deepEqual([whole.finishReason, whole.toolCalls.length], ['tool-calls', 1]);
    flies(whole.toolCalls[0].toolName, whole.toolCalls[0].input);
    const streamed = await streamText(ask).toolCalls;
    flies(streamed[0].toolName, streamed[0].input);
  });
}
