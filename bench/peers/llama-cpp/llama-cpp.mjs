// usage: node llama-cpp.mjs MODEL.gguf THREADS
// Reads one request a line, {"ids": [...], "tokens": n}, and answers each with one line,
// {"prefill_ms": ..., "ms_per_token": ...}. Ends when standard input ends.
import readline from "node:readline";
import { getLlama } from "node-llama-cpp";

const [modelPath, threads] = [process.argv[2], Number(process.argv[3])];
const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
const model = await llama.loadModel({ modelPath });
console.log(JSON.stringify({ ready: true, llama_cpp: llama.llamaCppRelease.release }));

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { ids, tokens } = JSON.parse(line);
  const context = await model.createContext({
    contextSize: ids.length + tokens + 64,
    batchSize: 512,
    threads,
    flashAttention: true,
  });
  const sequence = context.getSequence();

  // The last token of the prompt is left for evaluate(), which needs one to start from.
  const start = performance.now();
  await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, -1));
  const prefill = performance.now() - start;

  const times = [];
  for await (const _ of sequence.evaluate(ids.slice(-1), { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now());
    if (times.length >= tokens) break;
  }
  await context.dispose();
  console.log(JSON.stringify({
    prefill_ms: prefill,
    ms_per_token: (times.at(-1) - times[0]) / (times.length - 1),
  }));
}
process.exit(0);
