import { PurlinError } from '@purlin/base'
import type { ConsoleLink } from '../console/console.ts'
import type { StartProgram } from '../console/program.ts'
import { IPMITOOL_ENVIRONMENT, type Ipmitool } from './ipmitool.ts'
import { withPasswordFile } from './password-file.ts'

/** Serial over LAN by ipmitool. `begin` gives a program whose password file is there until it has
 *  said something or ended: it reads the file at its start. The cipher suite is the one that the
 *  last command found. */
export function ipmiConsole(
  tool: Ipmitool,
  start: StartProgram,
  secret: { readonly folder: string; readonly password: string },
): ConsoleLink {
  return {
    begin: async () => {
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<StartProgram>>()
      withPasswordFile(secret.folder, secret.password, async (file) => {
        // Into a pipe ipmitool would keep its banner back until the machine prints something.
        const words = ['-oL', 'ipmitool', ...tool.arguments(file), ...ACTIVATE]
        const program = start('stdbuf', words, IPMITOOL_ENVIRONMENT)
        const spoke = Promise.withResolvers<void>()
        resolve({
          ...program,
          output: announcing(program.output, spoke.resolve),
          // It always misses the terminal that it does not have; that ends no session.
          ended: program.ended.then((told) => told.replaceAll(/^tcgetattr:.*$/gm, '')),
        })
        await Promise.race([spoke.promise, program.ended])
      }).catch(reject)
      return await promise
    },
    end: async (signal) => {
      try {
        await tool.ask(['sol', 'deactivate'], { signal })
      } catch (thrown) {
        // There was none: what was wanted is so.
        if (!(thrown instanceof PurlinError) || !/already de-activated/.test(thrown.message)) {
          throw thrown
        }
      }
    },
  }
}

const ACTIVATE = ['sol', 'activate', 'usesolkeepalive']

async function* announcing(
  output: AsyncIterable<Uint8Array>,
  spoke: () => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const part of output) {
    spoke()
    yield part
  }
}
