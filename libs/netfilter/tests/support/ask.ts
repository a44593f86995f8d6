import { fileURLToPath } from 'node:url'
import { run } from '@purlin/base'

const PROBE = fileURLToPath(new URL('../../../../.purlin/probe/probe', import.meta.url))
/** Of the whole lot of questions, beside the time that each may take. */
const SPARE_MS = 30_000

/** Whether something answers there. */
export interface Question {
  readonly protocol: 'tcp' | 'udp' | 'icmp'
  readonly address: string
  /** 0 with icmp, which asks for an echo. */
  readonly port: number
}

/** Puts all questions at once from the namespace at `namespace` (a path); the answers in their
 *  order. Shape: `waitMs` is how long an answer may take. */
export async function ask(
  namespace: string,
  questions: readonly Question[],
  waitMs: number,
): Promise<readonly boolean[]> {
  const lines = questions.map(({ protocol, address, port }, index) =>
    [index, protocol, address, port].join(' '),
  )
  const args = [`--net=${namespace}`, '--', PROBE, 'ask', String(waitMs)]
  const input = `${lines.join('\n')}\n`
  const { stdout } = await run('nsenter', args, { input, timeoutMs: waitMs + SPARE_MS })
  const reached = new Set(
    stdout.split('\n').flatMap((line) => {
      const [id, answer] = line.split(' ')
      return answer === 'yes' ? [Number(id)] : []
    }),
  )
  return questions.map((_, index) => reached.has(index))
}
