/** The numbers of a list as the kernel writes it: `0-3,8` is 0, 1, 2, 3, 8. What is no list gives
 *  none. Pure. */
export function numbersOf(list: string | undefined): readonly number[] {
  return (list ?? '').split(',').flatMap((part) => {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim())
    if (match === null) return []
    const first = Number(match[1])
    const last = Number(match[2] ?? first)
    return Array.from({ length: Math.max(0, last - first + 1) }, (_none, index) => first + index)
  })
}
