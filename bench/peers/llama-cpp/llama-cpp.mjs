// usage: node llama-cpp.mjs MODEL.gguf THREADS
// Reads one request a line and answers each with one line. Ends when standard input ends.
//   {"read": [ids], "room": n}  a new context holds the prompt, with room for n more tokens -> {"prefill_ms": ...}
//   {"generate": n}             n tokens after the prompt, then forgets them               -> {"ms_per_token": ...}
import readline from "node:readline";
import { getLlama } from "node-llama-cpp";

const [modelPath, threads] = [process.argv[2], Number(process.argv[3])];
const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
const model = await llama.loadModel({ modelPath });
console.log(JSON.stringify({ ready: true, llama_cpp: llama.llamaCppRelease.release }));

let context, sequence, last;

async function read(ids, room) {
  await context?.dispose();
  // A size beyond the trained one is taken as it is; positions go on without scaling, as on the other side.
  context = await model.createContext({
    contextSize: ids.length + room + 64,
    batchSize: 512,
    threads,
    flashAttention: true,
  });
  sequence = context.getSequence();
  // The last token of the prompt is left for evaluate(), which needs one to start from.
  last = ids.at(-1);
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, -1));
  return { prefill_ms: performance.now() - start };
}

async function generate(tokens) {
  const prompt = sequence.nextTokenIndex;
  const times = [];
  for await (const _ of sequence.evaluate([last], { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now());
    if (times.length >= tokens) break;
  }
  await sequence.eraseContextTokenRanges([{ start: prompt, end: sequence.nextTokenIndex }]);
  if (sequence.nextTokenIndex !== prompt) throw new Error(`${sequence.nextTokenIndex} tokens are left of ${prompt}`);
  return { ms_per_token: (times.at(-1) - times[0]) / (times.length - 1) };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(request.read ? await read(request.read, request.room) : await generate(request.generate)));
}
process.exit(0);
