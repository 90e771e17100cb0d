/** Files inside the executable: their paths there. */
declare module "#guest-file" {
  const path: string;
  export default path;
}

declare module "#guest-digest" {
  const path: string;
  export default path;
}
