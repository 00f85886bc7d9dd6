// How long V8 takes to compile a module: node [V8 flags] node-compile.mjs FILE
// Prints seconds.  Once for a process: V8 keeps what it has compiled.
import { readFileSync } from 'node:fs';

const bytes = readFileSync(process.argv[2]);
const start = performance.now();
new WebAssembly.Module(bytes);
console.log((performance.now() - start) / 1000);
