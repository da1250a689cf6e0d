"""What people look at: labelled clouds, markers, relevancy colours, pictures."""
