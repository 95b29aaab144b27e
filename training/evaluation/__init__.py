"""What only an evaluation needs: protocols, methods beside ours, scores, pages of results."""
