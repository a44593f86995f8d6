import test from 'ava'
import { PurlinError } from './errors/purlin-error.ts'
import { run } from './exec.ts'

const node = process.execPath
const script = (code: string): string[] => ['-e', code]

async function failureOf(attempt: Promise<unknown>): Promise<PurlinError> {
  try {
    await attempt
  } catch (thrown) {
    if (thrown instanceof PurlinError) return thrown
    throw thrown
  }
  throw new Error('it did not fail')
}

test('output, input and arguments pass through as they are', async (t) => {
  const echo = script('process.stdin.pipe(process.stdout); process.stderr.write(process.argv[1])')
  const outcome = await run(node, [...echo, '$(id) "x" *'], { timeoutMs: 30_000, input: 'in\n' })
  t.deepEqual(outcome, { stdout: 'in\n', stderr: '$(id) "x" *', exitCode: 0 })
})

test('without input the program reads an empty one', async (t) => {
  const read = script('process.stdin.on("data", () => {}).on("end", () => console.log("end"))')
  t.is((await run(node, read, { timeoutMs: 30_000 })).stdout, 'end\n')
})

test('a program that is not there is named', async (t) => {
  const error = await failureOf(run('purlin-no-such-program', [], { timeoutMs: 1_000 }))
  t.is(error.code, 'PUR_EXEC_NOT_FOUND')
  t.deepEqual(error.context, { program: 'purlin-no-such-program' })
})

test('an error carries the exit code and the end of standard error', async (t) => {
  const fail = script('process.stderr.write("x".repeat(5000) + "the reason"); process.exitCode = 3')
  const error = await failureOf(run(node, fail, { timeoutMs: 30_000 }))
  t.is(error.code, 'PUR_EXEC_FAILED')
  t.is(error.context.exitCode, 3)
  t.regex(error.message, /ended with 3: x{590}the reason$/)
})

test('an accepted exit code is an answer', async (t) => {
  const options = { timeoutMs: 30_000, acceptedExitCodes: [3] }
  t.is((await run(node, script('process.exitCode = 3'), options)).exitCode, 3)
})

test('a program that does not end is killed at its deadline', async (t) => {
  const error = await failureOf(
    run(node, script('setInterval(() => {}, 1000)'), { timeoutMs: 300 }),
  )
  t.is(error.code, 'PUR_EXEC_TIMEOUT')
})

test('a caller who gives up ends the program', async (t) => {
  const stop = new AbortController()
  const running = run(node, script('setInterval(() => {}, 1000)'), {
    timeoutMs: 30_000,
    signal: stop.signal,
  })
  stop.abort()
  t.is((await failureOf(running)).code, 'PUR_CANCELLED')
})

test('a program ended by a signal is an error that names it', async (t) => {
  const error = await failureOf(
    run(node, script('process.kill(process.pid, "SIGKILL")'), { timeoutMs: 30_000 }),
  )
  t.is(error.code, 'PUR_EXEC_FAILED')
  t.regex(error.message, /was ended by SIGKILL/)
})

test('a working folder that is not there is not taken for a missing program', async (t) => {
  const error = await failureOf(
    run(node, script(''), { timeoutMs: 30_000, workingFolder: '/no/such/folder' }),
  )
  t.is(error.code, 'PUR_EXEC_FAILED')
  t.regex(error.message, /did not start: .*ENOENT/s)
})

test('a file that may not be executed is an error that says so', async (t) => {
  const error = await failureOf(run('/etc/passwd', [], { timeoutMs: 1_000 }))
  t.is(error.code, 'PUR_EXEC_FAILED')
  t.regex(error.message, /did not start: .*EACCES/)
})
