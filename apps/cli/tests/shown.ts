import test from 'ava'
import { fixedAgent, type Routes } from './agent.ts'
import { run } from './run.ts'

/** A test for each line of the command: what it prints and how it ends is its snapshot. */
export function testLines(routes: Routes, lines: readonly string[]): void {
  const shown = test.macro({
    title: (_given, line: string) => `purlin ${line} prints its answer`,
    exec: async (t, line: string) => {
      await using agent = await fixedAgent(routes)
      const { exitCode, stdout, stderr } = await run(line.split(' '), {
        environment: {
          PURLIN_SOCKET: agent.socketPath,
          PURLIN_BAREMETAL_SOCKET: agent.socketPath,
        },
      })
      t.snapshot({ exitCode, stderr })
      t.snapshot(stdout)
    },
  })
  for (const line of lines) test(shown, line)
}
