/** The datapath that the suites run on. The kernel's, `system`, needs its module openvswitch; in
 *  the kernel lab the same suites run on it. */
export const datapath = process.env.PURLIN_TEST_DATAPATH === 'system' ? 'system' : 'netdev'
