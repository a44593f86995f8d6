export type { ContentKind, ContentStore, Upload, WantedContents } from './content.ts'
export { type ContentGrounds, createContentStore } from './store.ts'
