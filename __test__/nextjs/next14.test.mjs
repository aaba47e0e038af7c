import { testFreshApp } from './fresh-app-suite.mjs'

// The clinic's version. A CommonJS configuration that is a function.
const config = `
const { withHl7Outbox } = require('hl7-outbox/next')
module.exports = withHl7Outbox(async () => ({ output: process.env.TEST_OUTPUT }))
`

await testFreshApp('Next 14', { next: '14.2.35', react: '^18.3.1', config: ['next.config.js', config] })
