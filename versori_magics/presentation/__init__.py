"""Plans, reports and progress as words, plain text, HTML and Markdown, without any notebook."""
