import { testFreshApp } from './fresh-app-suite.mjs'

// The newest, with Turbopack. A TypeScript configuration, so the types of withHl7Outbox are checked with those of Next.
const config = `
import type { NextConfig } from 'next'
import { withHl7Outbox } from 'hl7-outbox/next'
const config: NextConfig = { output: process.env.TEST_OUTPUT === 'standalone' ? 'standalone' : undefined }
export default withHl7Outbox(config)
`

await testFreshApp('Next 16', {
  next: '^16.0.0',
  react: '^19.0.0',
  config: ['next.config.ts', config],
  devDependencies: { typescript: '^5.9.0', '@types/node': '^20.19.0', '@types/react': '^19.0.0' },
})
