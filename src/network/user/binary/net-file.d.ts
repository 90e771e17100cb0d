/** Files inside the executable: their paths there. */
declare module "#net-file" {
  const path: string;
  export default path;
}

declare module "#net-digest" {
  const path: string;
  export default path;
}
