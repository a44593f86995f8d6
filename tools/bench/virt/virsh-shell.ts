import { type ChildProcess, spawn } from 'node:child_process'

const ANSWER_LIMIT_MS = 60_000

/** A virsh that stays connected and takes one command after the other. */
export interface VirshShell {
  readonly process: ChildProcess
  /** Runs commands, and resolves when the last has been answered. */
  ask(commands: readonly string[]): Promise<void>
  end(): void
}

/** Starts it. What it prints is read and thrown away but for the word behind the last answer. */
export function openVirsh(uri: string): VirshShell {
  const process_ = spawn('virsh', ['-q', '-c', uri], { stdio: ['pipe', 'pipe', 'inherit'] })
  let waiting: { readonly word: string; readonly resolve: () => void } | undefined
  let tail = ''
  process_.stdout.on('data', (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-200)
    // What is asked is shown as well, in quotes; only the answer begins a line with it.
    if (waiting !== undefined && tail.includes(`\n${waiting.word}`)) waiting.resolve()
  })
  let count = 0
  return {
    process: process_,
    ask: async (commands) => {
      const word = `answered-${++count}`
      const answered = Promise.withResolvers<void>()
      const limit = setTimeout(
        () => answered.reject(new Error(`virsh does not answer: ${tail}`)),
        ANSWER_LIMIT_MS,
      )
      waiting = { word, resolve: answered.resolve }
      process_.stdin.write(`${commands.join('\n')}\necho '${word}'\n`)
      await answered.promise
      clearTimeout(limit)
      waiting = undefined
    },
    end: () => process_.stdin.end('quit\n'),
  }
}
