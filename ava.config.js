import { setFlagsFromString } from 'node:v8'

// Node strips types by a WebAssembly program, which every worker thread of a run shares. V8 of Node
// 24 sometimes frees a part of its compiled code twice, on a thread in the background, and ends the
// whole run (`Check failed: jit_page_->allocations_.erase(addr) == 1`). What is never freed is not
// freed twice; a run lives for minutes.
setFlagsFromString('--no-wasm-code-gc')

/** One configuration for every workspace: TypeScript by type stripping, workspace packages by
 *  source. */
export default {
  extensions: ['ts'],
  nodeArguments: ['--conditions=purlin-source', '--disable-warning=ExperimentalWarning'],
  files: ['src/**/*.test.ts'],
  timeout: '2m',
}
