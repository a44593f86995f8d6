import { failure, type Problem, type Result, success } from '@purlin/base'
import { type DiscoveryReport, discoveryReport } from '@purlin/schema'

/** A report of a machine with 1,000 disks and 2,000 PCI functions stays below this. */
const REPORT_LIMIT_BYTES = 1_048_576
const PROBLEMS_LIMIT = 32

/** Reads what a discovery system sent. Shape: JSON of at most 1 MiB, no unknown fields, every text
 *  one line without control characters, every list bounded. Errors: at most 32 problems, each with
 *  its path; what was sent is never repeated in them. Pure and total. */
export function parseDiscoveryReport(text: string): Result<DiscoveryReport, readonly Problem[]> {
  if (Buffer.byteLength(text) > REPORT_LIMIT_BYTES) {
    return failure([{ path: '', message: `the report is longer than ${REPORT_LIMIT_BYTES} bytes` }])
  }
  let sent: unknown
  try {
    sent = JSON.parse(text)
  } catch {
    return failure([{ path: '', message: 'the report is not JSON' }])
  }
  const parsed = discoveryReport.safeParse(sent)
  if (parsed.success) return success(parsed.data)
  return failure(
    parsed.error.issues.slice(0, PROBLEMS_LIMIT).map(({ path, code, message }) => ({
      path: pathText(path),
      message: code === 'unrecognized_keys' ? 'has a field that no report has' : message,
    })),
  )
}

/** A path as problems write it, `disks[0].match`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? String(part) : `${text}.${String(part)}`
  }, '')
}
