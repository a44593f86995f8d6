import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** The seam to a program that runs for long and says something line by line. Resolves with how it
 *  ended, never rejects; ends the program when the signal is aborted. */
export type FollowLines = (
  program: string,
  args: readonly string[],
  onLine: (line: string) => void,
  signal: AbortSignal,
) => Promise<string>

/** Runs the program and hands over each line of its output. */
export const followLines: FollowLines = async (program, args, onLine, signal) => {
  if (signal.aborted) return 'not started'
  return await new Promise((resolve) => {
    const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    const stop = (): void => {
      child.kill('SIGTERM')
    }
    signal.addEventListener('abort', stop, { once: true })
    const end = (how: string): void => {
      signal.removeEventListener('abort', stop)
      resolve(how)
    }
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = `${complaint}${text}`.slice(-300)
    })
    createInterface({ input: child.stdout }).on('line', onLine)
    child.on('error', (error) => end(error.message))
    child.on('close', (code, killedBy) => end(`${killedBy ?? code}: ${complaint.trim()}`))
  })
}
