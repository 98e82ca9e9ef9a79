"""Speed, as ratios to naive code in the same process. Run by ``make bench``; nothing here is a test."""
