import { formatCidr, parseAddress, parseCidr } from '@purlin/base'
import { z } from 'zod'

/** An IPv4 or IPv6 address. */
export const ipAddress = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, 'must be an IPv4 or IPv6 address')
  .meta({ example: '10.77.0.10' })

/** A network; bits behind the prefix must be zero, so that what is written is what is meant. */
export const cidr = z
  .string()
  .superRefine((text, context) => {
    const parsed = parseCidr(text)
    if (parsed === undefined) {
      context.addIssue({
        code: 'custom',
        message: `must be a network such as 10.77.0.0/24 or fd77::/64, found "${text}"`,
      })
      return
    }
    const written = parseAddress(text.slice(0, text.indexOf('/')))
    if (written?.value !== parsed.first) {
      context.addIssue({
        code: 'custom',
        message: `has bits behind its prefix; the network is ${formatCidr(parsed)}`,
      })
    }
  })
  .meta({ example: '10.77.0.0/24' })

/** `FIRST-LAST`, both addresses of one family, both inside. */
export const addressSpan = z.string().superRefine((text, context) => {
  const ends = text.split('-')
  const [first, last] = ends.map(parseAddress)
  const fits =
    ends.length === 2 && first && last && first.family === last.family && first.value <= last.value
  if (!fits) {
    context.addIssue({
      code: 'custom',
      message: `must be FIRST-LAST of one family, FIRST not above LAST, found "${text}"`,
    })
  }
})

/** A port or `FIRST-LAST`, 0 to 65535. */
export const portSpan = z.string().superRefine((text, context) => {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  const first = Number(match?.[1] ?? Number.NaN)
  const last = Number(match?.[2] ?? first)
  if (!(first <= last && last <= 65_535)) {
    context.addIssue({
      code: 'custom',
      message: `must be a port "80" or a range "8000-8010" within 0 to 65535, found "${text}"`,
    })
  }
})

/** First and last port of a checked port span. */
export function portsOf(span: string): { readonly first: number; readonly last: number } {
  const [first = 0, last = first] = span.split('-').map(Number)
  return { first, last }
}
